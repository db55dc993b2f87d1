import { UnavailableError } from '../../../errors.ts';
import { bearer } from '../setup/ask-http.ts';
import type { Setup } from '../setup/setup.ts';

/**
 * Has the service forget a user of whom it knew nothing before: a subscription that is taken away leaves
 * the key that it was made with. Where Dovecot keeps the annotations they are read anew with the next
 * look, so nothing would be gained.
 *
 * @returns how to do it afterwards; undefined for a user who was known, and when the service cannot be asked
 */
export async function forgetStranger(
  { config, origin, ask }: Setup,
  user: string,
): Promise<(() => Promise<void>) | undefined> {
  const { http, metadata } = config;
  if (http.admin_token === '' || metadata.source !== 'dict') return undefined;
  const url = new URL(`/v1/users/${encodeURIComponent(user)}`, origin);
  const authorization = bearer(http.admin_token);
  const known = await ask(url, { authorization }).catch(() => undefined); // a check of its own
  if (known?.status !== 404) return undefined;
  return async () => {
    // The account is still there, and has nothing to lose.
    url.searchParams.set('force', 'true');
    const answer = await ask(url, { method: 'DELETE', authorization });
    if (answer.status !== 200) throw new UnavailableError(`the service answers ${answer.status}`);
  };
}
