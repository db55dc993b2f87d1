import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisServer, redisIsMissing } from '../stores/redis/redis-server.ts';
import { teardownOf } from '../support/create-teardown.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { startStage } from '../support/start-stage.ts';
import { deliverBoth, isReady, newReader, nothingIsLost } from './push/steps.ts';

const ROUNDS = 2;

describe('the service over a Redis that is killed at any moment', { skip: redisIsMissing }, () => {
  for (const [version, policy] of [
    ['2.3', 'everysec'],
    ['2.4', 'always'],
  ] as const) {
    it(`Dovecot ${version}, appendfsync ${policy}: nothing half, and it recovers by itself`, async (t) => {
      const random = seededRandom(7);
      const redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', policy);
      teardownOf(t).defer(() => redis.dispose());
      const stage = await startStage({ version, config: { store: { url: redis.url() } } });
      teardownOf(t).defer(() => stage.close());
      const reader = await newReader(stage);
      const { user } = reader;
      const clients = await Promise.all([1, 2, 3, 4].map(() => stage.login(user)));
      let number = 0;
      let confirmed = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        let killed = false;
        const writers = clients.map(async (client) => {
          while (!killed) {
            const text = `"${String((number += 1)).padStart(2_000, '0')}"`;
            const mine = number;
            const entries = ['a', 'b', 'c'].map(
              (name) => `/private/vendor/vendor.x/${name} ${text}`,
            );
            const { status } = await client.command(`SETMETADATA "" (${entries.join(' ')})`);
            if (status === 'OK') confirmed = Math.max(confirmed, mine);
          }
        });
        await sleep(100 + random.below(400));
        const ended = redis.stop();
        killed = true;
        await ended;
        const before = confirmed;
        await deliverBoth(stage, reader);
        await redis.start();
        await Promise.all(writers);
        await isReady(stage);
        const paths = ['a', 'b', 'c'].map((name) => `/private/vendor/vendor.x/${name}`);
        const values = [...(await reader.client.getMetadata('', paths)).values()].map(Number);
        assert.equal(values.length, 3);
        assert.equal(new Set(values).size, 1, values.join());
        if (policy === 'always') assert.ok(values[0]! >= before - 4, `${values[0]} < ${before}`);
      }
      assert.ok(confirmed > 0);
      await nothingIsLost(reader);
    });
  }
});
