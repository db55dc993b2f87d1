import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { recordLog } from '../support/record-log.ts';
import { eventually, startStage, VENDOR, type Stage } from '../support/start-stage.ts';
import { redisIsMissing, RedisServer } from '../stores/redis/redis-server.ts';

describe('the service over Redis', { skip: redisIsMissing }, () => {
  const recorded = recordLog();
  let redis: RedisServer;
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    redis = await RedisServer.start('--maxmemory-policy', 'allkeys-lru');
    teardown.defer(() => redis.dispose());
    stage = await startStage({ log: recorded.log, config: { store: { url: redis.url() } } });
    teardown.defer(() => stage.close());
  });

  it('warns at its start where Redis may lose what users set', () => {
    const warnings = recorded.said('warn').join('\n');
    assert.match(warnings, /set "appendonly yes"/);
    assert.match(warnings, /set "maxmemory-policy noeviction"/);
  });

  it('says that Redis is gone, answers NO meanwhile, and goes on when it is back', async () => {
    const client = await stage.login(stage.freshUser());
    const enable = `SETMETADATA "" (${VENDOR}/coi/config/enabled "yes")`;
    await redis.stop();
    assert.equal((await client.command(enable)).status, 'NO');
    await eventually(() =>
      assert.ok(recorded.said('error').some((line) => line.startsWith('lost the connection'))),
    );
    const before = recorded.lines.length;
    await redis.start();
    await eventually(() => client.ok(enable), 30_000);
    assert.ok(recorded.lines.slice(before).some(({ msg }) => msg === 'connected to Redis'));
  });
});
