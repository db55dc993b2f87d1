import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { inboxDir } from './inbox-dir.ts';

/** The octets of a message of INBOX as they lie in the Maildir. */
export function readStoredMessage(dovecot: PrivateDovecot, user: string, uid: number): Buffer {
  const maildir = inboxDir(dovecot, user);
  // "17 W5123 :1795398000.M1P2.host,S=600,W=620"; flags come behind it in the file's name.
  const list = readFileSync(join(maildir, 'dovecot-uidlist'), 'utf8');
  const name = new RegExp(`^${uid} .*?:([^:]*)`, 'm').exec(list)?.[1]?.trim();
  const path = ['new', 'cur']
    .flatMap((dir) => readdirSync(join(maildir, dir)).map((file) => join(maildir, dir, file)))
    .find((file) => name !== undefined && file.includes(name));
  if (path === undefined) throw new Error(`${user} has no message ${uid}`);
  return readFileSync(path);
}

/** What stands behind the empty line. */
export function bodyOf(message: Buffer): Buffer {
  const header = /^[^]*?\r?\n\r?\n/.exec(message.toString('latin1'))?.[0];
  return message.subarray(header?.length ?? message.length);
}
