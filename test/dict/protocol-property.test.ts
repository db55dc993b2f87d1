import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { DictProtocolError } from '../../src/dict/dict-protocol-error.ts';
import { DictSession } from '../../src/dict/protocol.ts';
import { UnavailableError } from '../../src/errors.ts';
import { DictClientModel } from './dict-client-model.ts';
import { ManualBackend, MapBackend, newBudget } from './dict-test-support.ts';

const log = pino({ level: 'silent' });
const octets = (text: string) => Buffer.from(text, 'latin1');
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

const user = fc.constantFrom('anna', 'bob', 'c\x01td');
const key = fc.constantFrom('priv/a', 'priv/a/b', 'priv/b', 'shared/a', 'priv/\x01n\xc3\xa9');
const value = fc.constantFrom('', 'v', '\x010\x011\x01t\x01r\x01n', '\xff\xfe', 'x'.repeat(40));
const id = fc.integer({ min: 1, max: 3 });
/** A line, and whether it has a reply. */
const command = fc.oneof(
  fc.tuple(key, user).map(([key, user]) => ({ line: `L${key}\t${user}`, reply: 'lookup' })),
  fc.tuple(fc.nat(63), fc.nat(2), key, user).map(([flags, rows, key, user]) => ({
    line: `I${flags}\t${rows}\t${key}\t${user}`,
    reply: 'rows',
  })),
  fc.tuple(id, user).map(([id, user]) => ({ line: `B${id}\t${user}\t0`, reply: '' })),
  fc
    .tuple(id, key, value)
    .map(([id, key, value]) => ({ line: `S${id}\t${key}\t${value}`, reply: '' })),
  fc.tuple(id, key).map(([id, key]) => ({ line: `U${id}\t${key}`, reply: '' })),
  fc.tuple(id, key).map(([id, key]) => ({ line: `A${id}\t${key}\t-1`, reply: '' })),
  id.map((id) => ({ line: `C${id}`, reply: 'commit' })),
  id.map((id) => ({ line: `R${id}`, reply: '' })),
);

/** Commands that no client would be cut off for: none begins a transaction twice. */
const commands = fc.array(command, { maxLength: 12 }).map((list) => {
  const open = new Set<string>();
  return list.filter(({ line }) => {
    const id = line.slice(1, 2);
    if (line.startsWith('C') || line.startsWith('R')) open.delete(id);
    if (!line.startsWith('B')) return true;
    return !open.has(id) && open.add(id);
  });
});

function session(backend: ManualBackend | MapBackend, send: (octets: Buffer) => void) {
  // A clock that stands still: no answer is slow and appends its times.
  return new DictSession({
    backend,
    clock: { now: () => 0, monotonic: () => 0 },
    log,
    send,
    budget: newBudget(),
  });
}

describe('DictSession, any input', () => {
  test('any octets in any chunks are answered, or end the connection with a DictProtocolError', async () => {
    const noise = fc
      .uint8Array({ maxLength: 30 })
      .map((array) => Buffer.from(array).toString('latin1'));
    const line = fc.oneof(
      command.map(({ line }) => line),
      noise,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(line, { maxLength: 6 }),
        fc.nat(40),
        async (greets, lines, cut) => {
          const dict = session(new MapBackend(), () => undefined);
          const input = octets([...(greets ? ['H3\t2\t0\t\tcoi'] : []), ...lines, ''].join('\n'));
          try {
            dict.push(input.subarray(0, cut));
            dict.push(input.subarray(cut));
          } catch (error) {
            assert.ok(error instanceof DictProtocolError, String(error));
          }
          await Promise.resolve();
        },
      ),
      { numRuns: 12_000 },
    );
  });

  test('the same replies and the same commits, wherever the chunks break', async () => {
    await fc.assert(
      fc.asyncProperty(commands, fc.array(fc.nat(30), { maxLength: 5 }), async (list, cuts) => {
        const input = octets(['H4\t0\t0\t\tcoi', ...list.map(({ line }) => line), ''].join('\n'));
        const run = async (chunks: Buffer[]) => {
          const backend = new MapBackend();
          const sent: Buffer[] = [];
          const dict = session(backend, (reply) => sent.push(reply));
          for (const chunk of chunks) dict.push(chunk);
          await settled();
          return [Buffer.concat(sent).toString('latin1'), backend.commits];
        };
        const chunks: Buffer[] = [];
        let rest = input;
        for (const cut of cuts) {
          chunks.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        assert.deepEqual(await run([...chunks, rest]), await run([input]));
      }),
      { numRuns: 2_000 },
    );
  });

  test("Dovecot's client finds the reply to each command, in whatever order the backend answers", async () => {
    const order = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 12,
      maxLength: 12,
    });
    const hello = fc.constantFrom(
      'H2\t0\t0\tzoe\tcoi',
      'H3\t0\t0\t\tcoi',
      'H3\t2\t0\t\tcoi',
      'H4\t0\t0\t\tcoi',
    );
    await fc.assert(
      fc.asyncProperty(hello, commands, order, async (hello, list, order) => {
        const client = new DictClientModel();
        const backend = new ManualBackend();
        const dict = session(backend, (reply) => client.receive(reply));
        dict.push(octets(`${hello}\n`));
        for (const [index, { line, reply }] of list.entries()) {
          if (reply !== '') client.sent(`${index} ${line}`, reply === 'rows');
          dict.push(octets(`${line}\n`));
        }
        const calls = backend.calls.map((call, index) => ({ call, at: order[index] ?? 0 }));
        for (const { call, at } of calls.sort((a, b) => a.at - b.at)) {
          if (at > 0.9) call.reject(new UnavailableError('not today'));
          else if (call.name === 'lookup')
            call.resolve(octets(`${call.user} ${String(call.args[0])}`));
          else if (call.name === 'commit') call.resolve('committed');
          else call.resolve([{ key: call.args[0], value: octets(call.user) }]);
          await settled();
        }
        await settled();
        assert.deepEqual(client.unanswered, []);
        for (const [name, { letter, fields, rows }] of client.replies) {
          const [, asked = '', who = ''] =
            /^\d+ [LI](?:\d+\t\d+\t)?([^\t]*)\t(.*)$/.exec(name) ?? [];
          const plain = (text: string) => text.replace('\x01t', '\t').replace('\x01n', '\n');
          if (letter === 'F') continue;
          if (/^\d+ L/.test(name))
            assert.equal(fields[0], `${plain(who)} ${decoded(plain(asked))}`);
          if (/^\d+ I/.test(name)) assert.equal(rows[0]?.[0], plain(asked));
          if (/^\d+ C/.test(name)) assert.equal(fields[0], name.slice(-1));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

/** What the octets of `text` say: keys reach the backend as text. */
const decoded = (text: string) => octets(text).toString('utf8');
