import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { InvalidInputError } from '../src/errors.ts';
import { parseTransaction } from '../src/events/event-schema.ts';
import { parseJson } from '../src/parse-json.ts';

const run = promisify(execFile);
const read = { event: 'MessageRead', mailbox: 'INBOX', uid: 1, uidvalidity: 1_600_000_000 };

describe('parseJson', () => {
  test('gives what JSON.parse gives, or refuses', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          assert.throws(() => parseJson(Buffer.from(text)), InvalidInputError);
          return;
        }
        assert.deepEqual(parseJson(Buffer.from(text)), expected);
      }),
      { numRuns: 2_000 },
    );
  });

  test('brackets and commas within strings are content', () => {
    const text = JSON.stringify(['[{,'.repeat(1_000_000), '\\', '"]}', '\\"[']);
    assert.deepEqual(parseJson(Buffer.from(text)), JSON.parse(text));
  });

  const dense: [what: string, text: string][] = [
    ['numbers', `[${'1,'.repeat(1_000_000)}1]`],
    ['objects', `[${'{},'.repeat(1_000_000)}1]`],
    ['objects of one member', `[${'{"":1},'.repeat(500_000)}1]`],
    ['depth', '['.repeat(100_000)],
    ['depth that is closed', '['.repeat(33) + ']'.repeat(33)],
  ];
  for (const [what, text] of dense) {
    test(`refuses ${what}`, () => {
      assert.throws(() => parseJson(Buffer.from(text)), InvalidInputError);
      assert.equal(typeof parseTransaction(Buffer.from(text)), 'string');
    });
  }

  const usual: [what: string, events: object[]][] = [
    [
      'a mailbox of 200,000 messages that is marked as seen',
      Array.from({ length: 200_000 }, (_, uid) => ({ ...read, uid: uid + 1 })),
    ],
    [
      'and of which each message loses all 26 keywords that a Maildir can hold',
      Array.from({ length: 50_000 }, (_, uid) => ({
        ...{ ...read, event: 'FlagsClear', uid: uid + 1 },
        keywords: ['$Chat', ...'a b c d e f g h i j k l m n o p q r s t u v w x y'.split(' ')],
      })),
    ],
    [
      'the shortest events',
      Array.from({ length: 100_000 }, () => ({ event: 'MailboxCreate', mailbox: 'x' })),
    ],
  ];
  for (const [what, events] of usual) {
    test(`takes ${what}`, () => {
      const transaction = parseTransaction(Buffer.from(JSON.stringify({ user: 'anna', events })));
      assert.ok(typeof transaction !== 'string');
      assert.equal(transaction.events.length, events.length);
    });
  }
});

/**
 * In a process of its own, with little memory: the first line that it prints is what came of the text,
 * the second the most octets that its heap grew by.
 */
const CHILD = `
import { parseTransaction } from '${new URL('../src/events/event-schema.ts', import.meta.url).href}';
const [unit, count, before, behind] = JSON.parse(process.argv.at(-1));
const octets = Buffer.from(before + unit.repeat(count) + behind);
parseTransaction(Buffer.from('{}'));
globalThis.gc();
const { heapUsed } = process.memoryUsage();
const result = parseTransaction(octets);
console.log(typeof result === 'string' ? result : 'taken');
console.log((process.memoryUsage().heapUsed - heapUsed) / octets.length);
`;

describe('one bad transaction of 16 MiB', () => {
  const head = '{"user":"anna","events":[{"event":"MessageNew","mailbox":"INBOX","uid":1,';
  const events = '{"user":"anna","events":[';
  const bodies: [what: string, unit: string, before: string, behind: string, result: RegExp][] = [
    ['keywords that are numbers', '1,', `${head}"keywords":[`, '1]}]}', /more values/],
    ['longer numbers', '12345,', `${head}"uidvalidity":1,"keywords":[`, '1]}]}', /must be string/],
    ['keywords without end', '"abc",', `${head}"uidvalidity":1,"keywords":[`, '""]}]}', /taken/],
    ['events that are none', '{},', events, '1]}', /more values/],
    ['longer ones', '{"event":"What","is":"any thing"},', events, '1]}', /no known form/],
    ['an unknown property, and depth', '[', `${head}"x":`, '', /within each other/],
    ['a name of a user', 'x', '{"user":"', '","events":[]}', /user/],
    ['no JSON', '"a" ', '', '', /not JSON/],
  ];
  for (const [what, unit, before, behind, result] of bodies) {
    test(`${what}: refused or cut within 256 MiB of heap, by a small factor of its size`, async () => {
      const count = Math.floor((16 * 1_048_576) / unit.length);
      const order = JSON.stringify([unit, count, before, behind]);
      const options = ['--max-old-space-size=256', '--expose-gc', '--input-type=module'];
      const { stdout } = await run(process.execPath, [...options, '-e', CHILD, '--', order]);
      const [said = '', factor] = stdout.trim().split('\n');
      assert.match(said, result);
      assert.ok(Number(factor) < 10, `${factor} times its size`);
    });
  }
});
