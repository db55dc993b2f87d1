import { errorMessage } from '../../../errors.ts';
import type { Setup } from '../setup/setup.ts';

/**
 * Whether a URL that Dovecot was given leads to our service.
 *
 * @returns undefined when it does, else why not
 */
export async function findService(setup: Setup, url: string): Promise<string | undefined> {
  if (!URL.canParse(url)) return 'it is no URL';
  try {
    const { status, text } = await setup.ask(new URL('/healthz', url));
    const started = /"started":"([^"]*)"/.exec(text)?.[1];
    if (status !== 200) return `something else answers there (${status})`;
    if (started !== setup.service?.started) return 'another process answers there';
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
