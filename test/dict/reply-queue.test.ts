import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { foundReply, plainReply, rowsReply } from '../../src/dict/format-reply.ts';
import { ReplyQueue, type Turn } from '../../src/dict/reply-queue.ts';
import { DictClientModel } from './dict-client-model.ts';

function start(ids: boolean) {
  let sent = '';
  const queue = new ReplyQueue(ids, (octets) => (sent += octets.toString('latin1')));
  const turns = ['a', 'b', 'c', 'd'].map((name) => {
    const turn: Turn & { name: string } = { name, id: 0, ready: undefined };
    queue.enter(turn);
    return turn;
  });
  const answer = (...names: string[]) => {
    for (const name of names) {
      queue.answer(
        turns.find((turn) => turn.name === name)!,
        plainReply(`O${name}`, ''),
      );
    }
    const replies = sent;
    sent = '';
    return replies;
  };
  return { queue, answer };
}

describe('ReplyQueue', () => {
  for (const ids of [true, false]) {
    test(`replies in order need no ids (client ${ids ? 'knows' : 'does not know'} them)`, () => {
      const { answer } = start(ids);
      assert.equal(answer('a', 'b', 'c', 'd'), 'Oa\nOb\nOc\nOd\n');
    });
  }

  test('a client that knows no ids gets the replies in its order', () => {
    const { answer } = start(false);
    assert.equal(answer('c', 'b'), '');
    assert.equal(answer('a'), 'Oa\nOb\nOc\n');
    assert.equal(answer('d'), 'Od\n');
  });

  test('a reply out of order names all commands up to its own', () => {
    const { answer } = start(true);
    assert.equal(answer('c'), '*1\n*2\n*3\n+3\tOc\n');
    assert.equal(answer('b'), '+2\tOb\n');
    assert.equal(answer('a'), 'Oa\n', 'the oldest needs no id even if it has one');
    assert.equal(answer('d'), 'Od\n');
  });

  test('every reply finds its command, in whatever order they are ready', () => {
    const command = fc.record({ iterates: fc.boolean(), rows: fc.nat(3), after: fc.nat(6) });
    fc.assert(
      fc.property(fc.boolean(), fc.array(command, { maxLength: 8 }), (ids, commands) => {
        const client = new DictClientModel();
        const queue = new ReplyQueue(ids, (octets) => client.receive(octets));
        const steps: { at: number; run: () => void }[] = [];
        for (const [index, { iterates, rows, after }] of commands.entries()) {
          const turn: Turn = { id: 0, ready: undefined };
          const value = Buffer.from(`value ${index}\t\n`);
          const entries = Array.from({ length: rows }, (_, n) => ({
            key: `priv/${index}/${n}`,
            value,
          }));
          const reply = iterates ? rowsReply(entries, false, '') : foundReply(value, '');
          steps.push({
            at: index,
            run: () => {
              client.sent(String(index), iterates);
              queue.enter(turn);
            },
          });
          steps.push({ at: index + after + 0.5, run: () => queue.answer(turn, reply) });
        }
        for (const { run } of steps.sort((a, b) => a.at - b.at)) run();
        assert.deepEqual(client.unanswered, []);
        for (const [index, { iterates, rows }] of commands.entries()) {
          const reply = client.replies.get(String(index))!;
          if (iterates) {
            assert.equal(reply.rows.length, rows);
            for (const [n, fields] of reply.rows.entries()) {
              assert.deepEqual(fields, [`priv/${index}/${n}`, `value ${index}\t\n`]);
            }
          } else {
            assert.deepEqual(reply.fields, [`value ${index}\t\n`]);
          }
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
