import type { Chance } from './chance.ts';
import { USERS } from './door.ts';

const NAMES = [
  ...['MessageNew', 'MessageRead', 'MessageAppend', 'MessageExpunge', 'FlagsClear'],
  ...['MailboxCreate', 'MailboxDelete', 'MailboxRename', 'MessageTrash'],
];

/** One event as `lua/coi.lua` writes them, with values that no script would write. */
function makeEvent(chance: Chance): Record<string, unknown> {
  const uid = 1 + chance.below(4_000_000_000);
  const odd = (good: unknown): unknown =>
    chance.oneIn(8) ? chance.pick([chance.number(), chance.text(), null]) : good;
  return {
    event: chance.oneIn(2) ? 'MessageNew' : odd(chance.pick(NAMES)),
    mailbox: odd(chance.pick(['INBOX', 'COI/Chats', 'COI/Contacts', 'Trash', chance.text()])),
    mailbox_old: odd(chance.text(20)),
    uid: odd(uid),
    uidvalidity: odd(1 + chance.below(3)),
    message_id: odd(`<${uid}@example.org>`),
    keywords: odd(chance.some(3, () => chance.pick(['$Chat', '$MDNSent', chance.text(20)]))),
    seen: odd(false),
    from: odd(chance.pick(['A <a@example.org>', chance.text()])),
    subject: odd(chance.text()),
    date: odd(chance.oneIn(3) ? chance.number() : 1_700_000_000),
    tz: odd(chance.oneIn(3) ? chance.number() : 60),
    received: odd(chance.oneIn(3) ? Math.trunc(chance.number()) : 1_700_000_000),
  };
}

/** What costs a reader more than it costs the writer. */
function makeHeavy(chance: Chance): string {
  const [user, count] = [chance.pick(USERS), chance.below(chance.oneIn(10) ? 4_000_000 : 60_000)];
  return chance.pick([
    `{"user":${JSON.stringify(user)},"events":[{"event":"FlagsClear","mailbox":"INBOX","uid":1,"uidvalidity":1,"keywords":[1${',1'.repeat(count)}]}]}`,
    `{"user":${JSON.stringify(user)},"events":[${'{},'.repeat(count / 4)}{}]}`,
    `{"user":${JSON.stringify(user)},"events":${'['.repeat(count / 8)}${']'.repeat(count / 8)}}`,
    `{"user":${JSON.stringify(user)},"events":[{"event":"MessageNew","mailbox":"INBOX","uid":1,"uidvalidity":1,"subject":"${'('.repeat(count)}"}]}`,
  ]);
}

/**
 * A transaction, right or nearly so; rarely a heavy one. Subscribers' names among the others: what is
 * wrong with an event matters where it leads to a push.
 */
export function makeTransaction(chance: Chance, subscribers: readonly string[]): Buffer {
  if (chance.oneIn(2_000)) return Buffer.from(makeHeavy(chance));
  const transaction = {
    user: chance.oneIn(2) ? chance.pick(subscribers) : chance.pick(USERS),
    service: chance.pick(['lmtp', 'imap', 'lda']),
    session: chance.text(20),
    events: [makeEvent(chance), ...chance.some(3, () => makeEvent(chance))],
  };
  const text = JSON.stringify(chance.oneIn(4) ? chance.distort(transaction) : transaction);
  return chance.oneIn(10) ? chance.mutate(Buffer.from(text)) : Buffer.from(text);
}
