import { createAdminClient, type AdminClient } from './admin-client.ts';
import { CONFIG_OPTION, type CommandCall } from './command.ts';
import { readConfigOption } from './read-config-option.ts';

/** What every command that talks to the service takes. */
export const ADMIN_OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean' } } as const;

/** Runs `work` with a client of the service that the call's configuration describes. */
export async function withAdminClient<T>(
  call: CommandCall,
  work: (client: AdminClient, json: boolean) => Promise<T>,
): Promise<T> {
  const client = createAdminClient(readConfigOption(call));
  try {
    return await work(client, call.values['json'] === true);
  } finally {
    await client.close();
  }
}
