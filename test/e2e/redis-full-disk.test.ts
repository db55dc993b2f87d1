import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRedisStore } from '../../src/stores/redis/redis-store.ts';
import { RedisServer, redisIsMissing } from '../stores/redis/redis-server.ts';
import { teardownOf } from '../support/create-teardown.ts';
import { recordLog } from '../support/record-log.ts';
import { mountSmallDisk, noSmallDisks } from '../support/small-disk.ts';
import { eventually, startStage } from '../support/start-stage.ts';
import { listed, newId, pathOf, register, set } from './conformance/steps.ts';
import { brokenParts, deliverBoth, isReady, newReader, nothingIsLost } from './push/steps.ts';

const skip = redisIsMissing || noSmallDisks;

describe('the service over a Redis whose disk is full', { skip }, () => {
  for (const policy of ['everysec', 'always'] as const) {
    it(`appendfsync ${policy}: said, nothing lost, and over when there is space`, async (t) => {
      const disk = mountSmallDisk('8m');
      teardownOf(t).defer(() => disk.unmount());
      const options = ['--dir', disk.dir, '--appendonly', 'yes', '--appendfsync', policy];
      const redis = await RedisServer.start(...options, '--auto-aof-rewrite-percentage', '0');
      teardownOf(t).defer(() => redis.dispose());
      const recorded = recordLog();
      const stage = await startStage({
        log: recorded.log,
        config: { store: { url: redis.url() }, spool: { poll_interval: '500 msecs' } },
      });
      teardownOf(t).defer(() => stage.close());
      const reader = await newReader(stage);
      await set(reader.client, '/private/comment', 'before');
      const id = newId();
      const token = await register(reader.client, reader.agent, {}, id);
      disk.fill();
      // What fails first is found out by writing; with "always" Redis ends itself then.
      await reader.client.setMetadata('', '/private/comment', 'a'.repeat(8_192));
      await sleep(1_500);
      for (const [path, value] of [
        ['/private/comment', 'x'],
        [`${pathOf(id)}/validate`, token],
      ] as const) {
        const { status } = await reader.client.setMetadata('', path, value);
        assert.equal(status, 'NO', path);
      }
      await eventually(async () => {
        const says = (await brokenParts(stage))['store'] ?? '';
        assert.match(says, policy === 'everysec' ? /MISCONF/ : /./);
      });
      await deliverBoth(stage, reader);
      if (policy === 'everysec') {
        const started = await openRedisStore(redis.url(), { log: recorded.log });
        await assert.rejects(started.check(), /MISCONF/);
        await started.close();
      }
      disk.free();
      if (policy === 'always') {
        await redis.stop();
        await redis.start();
      }
      await isReady(stage);
      await nothingIsLost(reader);
      await set(reader.client, `${pathOf(id)}/validate`, token);
      assert.equal((await listed(reader.client, id))?.['validated'], true);
    });
  }
});
