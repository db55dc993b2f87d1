import { pathOf } from './admin-client.ts';
import type { Command } from './command.ts';
import { printJson } from './print-json.ts';
import { ADMIN_OPTIONS, withAdminClient } from './with-admin-client.ts';

/** Has the running service read users' settings and keys anew; not its configuration. */
export const reload: Command = {
  name: 'reload',
  summary: 'drop cached settings and keys (for a changed configuration: systemctl reload)',
  usage: '[--json] [--config FILE]',
  options: ADMIN_OPTIONS,
  run: async (call) => {
    await withAdminClient(call, async (client, json) => {
      const reply = await client.call<{ dropped: string[] }>('POST', pathOf('reload'));
      if (json) printJson(reply);
      else console.log(`Dropped: ${reply.dropped.join(', ')}.`);
    });
    return 0;
  },
};
