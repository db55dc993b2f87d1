import { parseGuardPolicy } from '../../../webpush/guard/guard-policy.ts';
import { bearer } from '../setup/ask-http.ts';
import type { Setup } from '../setup/setup.ts';

/**
 * Gets the doctor's own receiver past the service's guard, which lets nothing through to this host.
 *
 * To open `webpush.allow_private_endpoints` for a test would open it for every user, until somebody
 * remembers to close it. The running service is asked instead, with the admin token, to let one port
 * through for as long as the trip lasts (src/webpush/guard/test-receivers.ts).
 *
 * @returns how to take it back; undefined when the service cannot be asked
 */
export async function admitReceiver(
  { config, origin, ask }: Setup,
  port: number,
): Promise<(() => Promise<void>) | undefined> {
  const { http, webpush } = config;
  if (http.admin_token !== '') {
    const url = new URL(`/v1/test-receivers/${port}`, origin);
    const authorization = bearer(http.admin_token);
    const { status } = await ask(url, { method: 'PUT', authorization });
    if (status === 200) {
      return async () => {
        await ask(url, { method: 'DELETE', authorization });
      };
    }
  }
  const policy = parseGuardPolicy(webpush.allow_private_endpoints);
  return policy.allowsHost('127.0.0.1', port) ? () => Promise.resolve() : undefined;
}
