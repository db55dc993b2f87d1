import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { luaInterpreters } from '../support/lua-interpreters.ts';

const SCRIPT = fileURLToPath(new URL('../../lua/coi-shared.lua', import.meta.url));
const STUB = fileURLToPath(new URL('stub-shared.lua', import.meta.url));

/** The namespace's prefix, the mailbox that is read, and whose INBOX that is. */
const TABLE: readonly [prefix: string, mailbox: string, owner: string | null][] = [
  ['shared/%u/', 'shared/alice@example.org/INBOX', 'alice@example.org'],
  ['shared/%u/', 'shared/alice/INBOX', 'alice'],
  ['shared/%u/', 'shared/alice', 'alice'],
  ['shared/%u/', 'shared/alice/Work', null],
  ['shared/%u/', 'shared/alice/INBOX/Work', null],
  ['shared/%u/', 'shared//INBOX', null],
  ['shared/%u/', 'shared/', null],
  ['shared/%u/', 'sharedalice/INBOX', null],
  ['shared/%u/', 'public/alice/INBOX', null],
  ['shared/%u/', 'Sent', null],
  ['shared.%u.', 'shared.alice.INBOX', 'alice'],
  ['%u/', 'alice/INBOX', 'alice'],
  ['shared/%n/', 'shared/alice/INBOX', 'alice@example.org'],
  ['shared/%d/%n/', 'shared/example.com/alice/INBOX', 'alice@example.com'],
  ['shared/%n@%d/', 'shared/alice@example.com/INBOX', 'alice@example.com'],
  ['shared/%d/%n/', 'shared/example.com', null],
  ['shared/$user/', 'shared/alice@example.com/INBOX', 'alice@example.com'],
  ['shared/$username/', 'shared/alice/INBOX', 'alice@example.org'],
  ['shared/$domain/$username/', 'shared/example.com/alice/INBOX', 'alice@example.com'],
  ['shared/', 'shared/alice/INBOX', null],
  ['shared/%u', 'shared/alice/INBOX', null],
];

const read = (lua: string, series: string, lines: readonly string[]): string[] =>
  execFileSync(lua, [STUB, SCRIPT, series], { input: lines.join('\n') })
    .toString()
    .trimEnd()
    .split('\n');

for (const { lua, skip } of luaInterpreters) {
  for (const series of ['2.3', '2.4']) {
    describe(`lua/coi-shared.lua under ${lua}, with settings as in ${series}`, { skip }, () => {
      it('tells under the owner’s name what is read in an INBOX, and nothing of other mailboxes', () => {
        const lines = TABLE.map(([prefix, mailbox]) => `${prefix} ${mailbox} bob@example.org`);
        const owners = read(lua, series, lines).map((body) =>
          body === 'nothing' ? null : (JSON.parse(body) as { user: string }).user,
        );
        for (const [index, [prefix, mailbox, owner]] of TABLE.entries()) {
          assert.equal(owners[index], owner, `${prefix} ${mailbox}`);
        }
      });

      it('leaves the domain out where nobody has one', () => {
        const [body] = read(lua, series, ['shared/%n/ shared/alice/INBOX bob']);
        assert.equal((JSON.parse(body!) as { user: string }).user, 'alice');
      });

      it('says that it is shared, and what else it says is about the reader’s process', () => {
        const bodies = read(lua, series, [
          'shared/%u/ shared/alice/INBOX bob',
          'shared/%u/ INBOX bob',
        ]);
        const event = { event: 'MessageRead', mailbox: 'INBOX', uid: 1, uidvalidity: 2 };
        const process = { uid: 8, service: 'imap', session: 's' };
        assert.deepEqual(
          bodies.map((body) => JSON.parse(body) as unknown),
          [
            { user: 'alice', ...process, events: [{ ...event, shared: true }] },
            { user: 'bob', ...process, events: [event] },
          ],
        );
      });
    });
  }
}
