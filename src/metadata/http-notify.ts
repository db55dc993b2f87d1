import type { CoiSettings } from '../coi/settings.ts';
import { tabEscape } from '../dovecot/tab-escaping.ts';

/**
 * Dovecot's `ox` driver sends a request only for users who have this server annotation, and reads tab
 * separated `key=value` fields out of it, of which it demands `user`.
 *
 * @see Dovecot src/plugins/push-notification/push-notification-driver-ox.c, OX_METADATA_KEY
 */
const HTTP_NOTIFY =
  /^priv\/[0-9a-f]{32}\/vendor\/vendor\.dovecot\/pvt\/server\/vendor\/vendor\.dovecot\/http-notify$/;

export const isHttpNotify = (key: string): boolean => HTTP_NOTIFY.test(key);

/** The annotation's value for a user who has none of their own; undefined: no request is wanted. */
export type HttpNotify = (user: string) => Promise<Buffer | undefined>;

export interface HttpNotifyParts {
  settings: (user: string) => Promise<CoiSettings>;
  wantsPushes: (user: string) => Promise<boolean>;
}

/** Whoever has COI enabled or a subscription in use. */
export function createHttpNotify({ settings, wantsPushes }: HttpNotifyParts): HttpNotify {
  return async (user) => {
    const { enabled } = await settings(user);
    if (!enabled && !(await wantsPushes(user))) return undefined;
    return Buffer.concat([Buffer.from('user='), tabEscape(Buffer.from(user))]);
  };
}
