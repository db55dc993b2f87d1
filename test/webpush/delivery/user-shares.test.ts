import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UserShares } from '../../../src/webpush/delivery/user-shares.ts';
import { DeliveryRig } from '../../support/delivery-rig.ts';

describe('who owes most', () => {
  it('is known after any course of additions and removals', () => {
    const step = fc.record({ user: fc.nat(3), pick: fc.nat(20), adds: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const shares = new UserShares();
        const model = new Map<string, number[]>();
        let lastId = 0;
        for (const { user: number, pick, adds } of steps) {
          const user = `u${number}`;
          const ids = model.get(user) ?? [];
          model.set(user, ids);
          if (adds) {
            ids.push(++lastId);
            shares.add(user, lastId);
          } else {
            const [removed = -1] = ids.splice(pick % (ids.length || 1), 1);
            shares.remove(user, removed);
          }
          const most = Math.max(...[...model.values()].map(({ length }) => length));
          const heaviest = shares.heaviest();
          if (most === 0) assert.equal(heaviest, undefined);
          else {
            const owed = model.get(heaviest?.user ?? '') ?? [];
            assert.equal(owed.length, most);
            assert.equal(heaviest?.id, owed[0], 'the oldest of that user');
          }
        }
      }),
    );
  });
});

describe('a full outbox', () => {
  it('costs nobody anything who owes no more than an equal share', async () => {
    const users = 4;
    const limit = 40;
    const share = limit / users;
    const bursts = fc.array(
      fc.record({ user: fc.nat(users - 1), pushes: fc.integer({ min: 1, max: 60 }) }),
      { minLength: 1, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(bursts, async (course) => {
        const rig = new DeliveryRig({
          maxPushes: limit,
          answer: () => new Promise<never>(() => undefined),
        });
        await rig.delivery.start();
        const asked = new Map<string, string[]>();
        for (const { user: number, pushes } of course) {
          const user = `u${number}`;
          const burst = Array.from({ length: pushes }, () => rig.push(`${user}/1`));
          asked.set(user, [...(asked.get(user) ?? []), ...burst.map(({ payload }) => payload)]);
          await rig.delivery.enqueue(burst);
          await rig.clock.advance(0);
        }
        const total = [...asked.values()].flat().length;
        const owed = new Set(await rig.owed());
        assert.equal(owed.size, Math.min(total, limit));
        for (const [user, payloads] of asked) {
          const kept = payloads.filter((payload) => owed.has(payload));
          if (payloads.length <= share) assert.deepEqual(kept, payloads, `${user} loses nothing`);
          else assert(kept.length >= share, `${user} keeps a share`);
          assert.deepEqual(kept, payloads.slice(payloads.length - kept.length), 'the oldest go');
        }
      }),
      { numRuns: 60 },
    );
  });
});
