import { join } from 'node:path';
import type { PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';

/** The Maildir of a user's INBOX: the mail's own root with 2.3, a folder like others with 2.4. */
export const inboxDir = ({ version, layout }: PrivateDovecot, user: string): string =>
  join(layout.mailDir, user, 'Mail', version === '2.4' ? '.INBOX' : '');
