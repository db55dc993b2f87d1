import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { DictBackend } from '../../src/dict/dict-backend.ts';
import { DictSession } from '../../src/dict/protocol.ts';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';
import { recordingLog } from '../socket/socket-test-support.ts';
import { ManualBackend, MapBackend, newBudget } from './dict-test-support.ts';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const IN_ALL = 4 * 1_024 * 1_024;

/** Connections that share one budget of {@link IN_ALL}. */
function openRoom() {
  const budget = newBudget(IN_ALL);
  const connect = (backend: DictBackend) => {
    const sent: Buffer[] = [];
    const session = new DictSession({
      ...{ backend, budget, log: recordingLog() },
      clock: { now: () => 0, monotonic: () => 0 },
      send: (octets) => sent.push(octets),
    });
    session.push(Buffer.from('H3\t2\t0\t\tcoi\n'));
    return {
      session,
      push: (text: string) => session.push(Buffer.from(text, 'latin1')),
      replies: async () => {
        await settled();
        return Buffer.concat(sent.splice(0)).toString('latin1');
      },
    };
  };
  return { budget, connect };
}

/** What a hostile peer may do: begin, fill, commit, roll back, or go away and come again. */
type Move = { peer: number; id: number } & (
  | { act: 'begin' | 'commit' | 'rollback' | 'leave' }
  | { act: 'fill' | 'half'; octets: number; times: number }
);

const place = { peer: fc.nat({ max: 4 }), id: fc.nat({ max: 20 }) };
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ ...place, act: fc.constant('begin' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      ...place,
      // With a line that does not end, or without.
      act: fc.constantFrom('fill' as const, 'half' as const),
      octets: fc.nat({ max: 65_000 }),
      times: fc.integer({ min: 1, max: 80 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...place,
      act: fc.constantFrom('commit' as const, 'rollback' as const, 'leave' as const),
    }),
  },
);

describe('the budget for open transactions', () => {
  test('takes no longer to drop what is tiny where there are a thousand connections', () => {
    let looks = 0;
    const budget = newBudget(1_024 * 1_024);
    // 1,000 connections with 1,000 transactions each held the event loop until the watchdog ended it.
    const peers = Array.from({ length: 1_000 }, () => {
      const held: number[] = [];
      const peer = {
        get octets() {
          return held.length * 20_000;
        },
        get oldest() {
          looks += 1;
          return held[0] ?? Infinity;
        },
        begin() {
          held.push(budget.tick());
          budget.changed(peer, peer.octets - 20_000);
        },
        dropOldest() {
          dropped.push(held.shift()!);
          budget.changed(peer, peer.octets + 20_000);
        },
      };
      return peer;
    });
    const dropped: number[] = [];
    for (let turn = 0; turn < 20; turn += 1) for (const peer of peers) peer.begin();
    assert.deepEqual(
      dropped,
      dropped.map((_, index) => index + 1),
      'those that rested longest',
    );
    assert.ok(budget.octets <= 1_024 * 1_024);
    assert.ok(looks < 20 * dropped.length, `${looks} looks at ${dropped.length} that were dropped`);
  });

  test('an honest peer beside hostile ones always gets right answers, and memory is bounded', async () => {
    const run = fc.array(fc.tuple(fc.array(move, { maxLength: 6 }), fc.nat({ max: 12_000 })), {
      maxLength: 25,
    });
    await fc.assert(
      fc.asyncProperty(run, async (steps) => {
        const { budget, connect } = openRoom();
        const hostile = Array.from({ length: 5 }, () => connect(new MapBackend()));
        const backend = new MapBackend();
        const honest = connect(backend);
        const model = new Map<string, string>();
        const begun = new Set<string>();
        let id = 0;
        for (const [moves, octets] of steps) {
          id += 1;
          const value = 'v'.repeat(octets);
          honest.push(`B${id}\tanna\nS${id}\tpriv/${id % 7}\t${value}\n`);
          for (const one of moves) act(one);
          // Each connection may have what is reserved for it; one change more is in the air.
          assert(budget.octets <= IN_ALL);
          honest.push(`S${id}\tpriv/n\t${id}\nC${id}\n`);
          model.set(`priv/${id % 7}`, value).set('priv/n', `${id}`);
          assert.equal(await honest.replies(), `O${id}\n`);
          for (const [key, expected] of model) {
            honest.push(`L${key}\tanna\n`);
            assert.equal(await honest.replies(), `O${expected}\n`);
          }
        }
        for (const { session } of hostile) session.close();
        assert.equal(budget.octets, 0);

        function act(one: Move): void {
          const peer = hostile[one.peer]!;
          const name = `${one.peer} ${one.id}`;
          switch (one.act) {
            case 'begin':
              if (!begun.has(name)) peer.push(`B${one.id}\tmallory\n`);
              begun.add(name);
              return;
            case 'fill':
              peer.push(`S${one.id}\tpriv/x\t${'x'.repeat(one.octets)}\n`.repeat(one.times));
              return;
            case 'half':
              peer.push(`S${one.id}\tpriv/x\t${'x'.repeat(one.octets)}`);
              return;
            case 'commit':
            case 'rollback':
              peer.push(`${one.act === 'commit' ? 'C' : 'R'}${one.id}\n`);
              begun.delete(name);
              return;
            case 'leave':
              peer.session.close();
              hostile[one.peer] = connect(new MapBackend());
              for (const other of [...begun]) {
                if (other.startsWith(`${one.peer} `)) begun.delete(other);
              }
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('a large transaction of an honest peer outlives those that hostile ones left lying', async () => {
    const { connect } = openRoom();
    const value = 'x'.repeat(60_000);
    const hostile = Array.from({ length: 4 }, () => connect(new MapBackend()));
    for (const [n, peer] of hostile.entries()) {
      peer.push(`B1\tmallory\n${`S1\tpriv/${n}\t${value}\n`.repeat(17)}`);
    }
    const backend = new MapBackend();
    const honest = connect(backend);
    honest.push(`B1\tanna\n${`S1\tpriv/a\t${value}\n`.repeat(30)}C1\n`);
    assert.equal(await honest.replies(), 'O1\n');
    assert.equal(backend.commits[0]?.changes.length, 30);
    hostile[0]!.push('C1\n');
    assert.match(await hostile[0]!.replies(), /^F1\tno transaction 1: .*dropped/);
    hostile[3]!.push('C1\n');
    assert.equal(await hostile[3]!.replies(), 'O1\n');
  });

  test('lines that do not end are dropped for others, and their transactions fail', async () => {
    const { budget, connect } = openRoom();
    const value = 'x'.repeat(900_000);
    const hostile = Array.from({ length: 5 }, () => connect(new MapBackend()));
    for (const peer of hostile) peer.push(`B1\tmallory\nS1\tpriv/a\t${value}`);
    assert.ok(budget.octets <= IN_ALL, `${budget.octets} octets`);
    for (const [n, peer] of hostile.entries()) {
      peer.push('and its end\nC1\n');
      const expected = n === 0 ? /^F1\tdropped because too much was open; try again\n$/ : /^O1\n$/;
      assert.match(await peer.replies(), expected);
    }
    const strangers = Array.from({ length: 5 }, () => connect(new MapBackend()));
    for (const { push } of strangers) push(`S${value}`);
    assert.throws(() => strangers[0]!.push('x'), /dropped because too much was open/);
    for (const { session } of [...hostile, ...strangers]) session.close();
    assert.equal(budget.octets, 0);
  });

  test('a value does not keep what came along with it in memory', async () => {
    const { connect } = openRoom();
    const backend = new MapBackend();
    const peer = connect(backend);
    peer.push(`B1\tanna\nS1\tpriv/a\tv\n${`T1\t0\t${'0'.repeat(20)}\n`.repeat(2_000)}C1\n`);
    assert.equal(await peer.replies(), 'O1\n');
    const [change] = backend.commits[0]!.changes;
    assert(change?.op === 'set');
    assert(change.value.buffer.byteLength < SOCKET_LIMITS.dictLineOctets / 4);
  });

  test('also counts what is being committed: together they take no more', async () => {
    const { connect } = openRoom();
    const backend = new ManualBackend();
    const transaction = (id: number): string =>
      `B${id}\tanna\n${`S${id}\tpriv/x\t${'x'.repeat(60_000)}\n`.repeat(15)}`;
    const peers = Array.from({ length: 40 }, () => connect(backend));
    // Half of them stay in the hands of the backend, as on a slow disk.
    for (const { push } of peers.slice(0, 20)) push(`${transaction(1)}C1\n`);
    for (const { push } of peers.slice(20)) push(transaction(1));
    await settled();
    const committing = backend.calls.length;
    for (const { push } of peers.slice(20)) push('C1\n');
    await settled();
    const octets = 15 * 60_000;
    assert.ok(committing * octets >= IN_ALL / 2, `${committing} transactions`);
    const kept = backend.calls.length;
    assert.equal(kept, committing, 'there was room for what is being committed, and no more');
  });

  test('has a connection wait where much is being committed, unless it holds little', async () => {
    const { connect } = openRoom();
    const backend = new ManualBackend();
    const large = `B1\tanna\n${`S1\tpriv/x\t${'x'.repeat(60_000)}\n`.repeat(40)}C1\n`;
    const [large1, large2, small] = [connect(backend), connect(backend), connect(backend)];
    large1.push(large);
    large2.push(`B1\tbert\nS1\tpriv/x\t${'x'.repeat(30_000)}\n`);
    small.push('B1\tcarl\nS1\tpriv/x\tx\n');
    await settled();
    const full = (): boolean[] => [large1, large2, small].map(({ session }) => session.full);
    assert.deepEqual(full(), [true, true, false]);
    backend.calls[0]?.resolve('committed');
    await settled();
    assert.deepEqual(full(), [false, false, false]);
  });

  test('counts a commit that waits behind lookups, until its connection is gone', async () => {
    const { connect } = openRoom();
    const backend = new ManualBackend();
    const [one, other] = [connect(backend), connect(backend)];
    one.push('Lpriv/a\tanna\n'.repeat(SOCKET_LIMITS.dictReads + 1));
    one.push(`B1\tanna\n${`S1\tpriv/x\t${'x'.repeat(60_000)}\n`.repeat(40)}C1\n`);
    other.push(`B1\tbert\nS1\tpriv/x\t${'x'.repeat(30_000)}\n`);
    await settled();
    assert.ok(backend.calls.every(({ name }) => name === 'lookup'));
    assert.deepEqual([one.session.full, other.session.full], [true, true]);
    one.session.close();
    assert.equal(other.session.full, false);
  });
});
