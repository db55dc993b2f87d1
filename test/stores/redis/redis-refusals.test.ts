import assert from 'node:assert/strict';
import { it, describe, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { UnavailableError, errorMessage } from '../../../src/errors.ts';
import { openRedisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts';
import type { Change, Store } from '../../../src/stores/store.ts';
import { OWN_SCOPE } from '../../../src/stores/annotation-limits.ts';
import { recordLog } from '../../support/record-log.ts';
import { startTcpRelay } from '../../support/tcp-relay.ts';
import { eventually } from '../../support/start-stage.ts';
import { RedisServer, redisIsMissing } from './redis-server.ts';
import { teardownOf } from '../../support/create-teardown.ts';

const set = (key: string, value: string | Buffer): Change => ({
  op: 'set',
  key,
  value: Buffer.from(value),
});

async function startServer(t: TestContext, ...options: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...options);
  teardownOf(t).defer(() => server.dispose());
  return server;
}

async function openClient(t: TestContext, server: RedisServer) {
  const client = createClient({ url: server.url(), RESP: 2 }).on('error', () => undefined);
  await client.connect();
  teardownOf(t).defer(() => client.destroy());
  return client;
}

async function open(t: TestContext, url: string, options: Partial<RedisStoreOptions> = {}) {
  const recorded = recordLog();
  const store = await openRedisStore(url, { log: recorded.log, ...options });
  teardownOf(t).defer(() => store.close());
  return { store, recorded };
}

/** Has a server follow another one, and waits until it does. */
async function follow(t: TestContext, server: RedisServer, leader: RedisServer): Promise<void> {
  await (await openClient(t, leader)).configSet('repl-diskless-sync-delay', '0');
  const client = await openClient(t, server);
  await client.configSet('masterauth', decodeURIComponent(new URL(leader.url()).password));
  await client.sendCommand(['REPLICAOF', '127.0.0.1', String(leader.port)]);
  await eventually(async () =>
    assert.match(await client.info('replication'), /master_link_status:up/),
  );
}

const lead = async (t: TestContext, server: RedisServer): Promise<unknown> =>
  (await openClient(t, server)).sendCommand(['REPLICAOF', 'NO', 'ONE']);

const refusal = (store: Store): Promise<string> =>
  store.commit('u', [set('priv/a', 'new'), set('priv/b', 'new')]).then(
    () => 'committed',
    (error: unknown) => {
      assert.ok(error instanceof UnavailableError);
      return errorMessage(error);
    },
  );

describe('a Redis that refuses', { skip: redisIsMissing }, () => {
  it('a replica: it is read, nothing is changed, and the refusal says where to write', async (t) => {
    const [leader, replica] = [await startServer(t), await startServer(t)];
    await (await open(t, leader.url())).store.commit('u', [set('priv/a', 'old')]);
    await follow(t, replica, leader);
    const { store, recorded } = await open(t, replica.url());
    assert.match(recorded.said('error').join(), /started though Redis takes no writes/);
    assert.match(await refusal(store), /READONLY .*store\.url.*replica/);
    await assert.rejects(store.check(), /READONLY/);
    assert.deepEqual(
      (await store.list('u', 'priv/')).map(({ value }) => value.toString()),
      ['old'],
    );
    await lead(t, replica);
    assert.equal(await refusal(store), 'committed');
  });

  it('one that was the leader and has become a replica: the address is asked again', async (t) => {
    const [first, second] = [await startServer(t), await startServer(t)];
    await follow(t, second, first);
    const relay = await startTcpRelay();
    teardownOf(t).defer(() => relay.close());
    relay.target = first.port;
    const url = first.url().replace(`:${first.port}/`, `:${relay.port}/`);
    const { store, recorded } = await open(t, url, { deadlineMsecs: 1_000 });
    assert.equal(await refusal(store), 'committed');
    await lead(t, second);
    await follow(t, first, second);
    relay.target = second.port; // the connections that there are stay where they are
    assert.match(await refusal(store), /READONLY/);
    await eventually(async () => assert.equal(await refusal(store), 'committed'));
    const lost = recorded.lines.filter(({ msg }) => msg.startsWith('lost the connection'));
    assert.deepEqual(
      lost.map(({ reason }) => reason),
      ['it has become a replica'],
    );
  });

  it('one that runs somebody’s script without an end: it says what ends that', async (t) => {
    const server = await startServer(t, '--lua-time-limit', '100');
    const { store } = await open(t, server.url(), { deadlineMsecs: 1_000 });
    const [busy, killer] = [await openClient(t, server), await openClient(t, server)];
    const script = busy.sendCommand(['EVAL', 'while true do end', '0']).catch(() => undefined);
    await sleep(200);
    assert.match(await refusal(store), /BUSY .*SCRIPT KILL/);
    await killer.sendCommand(['SCRIPT', 'KILL']);
    await script;
    await eventually(async () => assert.equal(await refusal(store), 'committed'));
  });

  it('one that reads its data in, after a restart: until it has', async (t) => {
    const server = await startServer(t);
    const { store } = await open(t, server.url(), { deadlineMsecs: 1_000 });
    for (let n = 0; n < 50; n++) await store.commit(`user${n}`, [set('priv/a', 'x'.repeat(2_000))]);
    await (await openClient(t, server)).sendCommand(['SAVE']);
    await server.stop();
    const slowly = ['--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024'];
    await server.start(...slowly);
    let said = '';
    await eventually(async () => assert.match((said = await refusal(store)), /LOADING|committed/));
    assert.match(said, /LOADING/);
    await assert.rejects(store.get('user1', 'priv/a'), /LOADING/);
    await eventually(async () => assert.equal(await refusal(store), 'committed'), 20_000);
    assert.equal((await store.usage('user1', OWN_SCOPE)).entries, 1);
  });

  it('one that lets its user at other keys only: the start says what that user needs', async (t) => {
    const server = await startServer(t);
    const client = await openClient(t, server);
    const url = `redis://coi:pw@127.0.0.1:${server.port}/0`;
    await client.sendCommand(['ACL', 'SETUSER', 'coi', 'on', '>pw', '~other:*', '+@all']);
    await assert.rejects(open(t, url), /NOPERM .*\+@all on ~coi:\*/);
    await client.sendCommand(['ACL', 'SETUSER', 'coi', 'resetkeys', '~coi:*']);
    const { store } = await open(t, url);
    assert.equal(await refusal(store), 'committed');
    await client.set('coi:users', 'garbage');
    await store.users()[Symbol.asyncIterator]().next();
    assert.equal((await store.usage('u', OWN_SCOPE)).entries, 2);
  });

  it('one that is full: each commit of large values is stored whole or not at all', async (t) => {
    const server = await startServer(t, '--maxmemory-policy', 'noeviction');
    const client = await openClient(t, server);
    const { store } = await open(t, server.url(), { deadlineMsecs: 10_000 });
    await client.configSet('maxmemory', '60mb');
    const value = Buffer.alloc(1_048_576, 'v');
    const results: string[] = [];
    for (let n = 0; n < 20; n++) {
      const changes = Array.from({ length: 5 }, (_, i) => set(`priv/${n}/${i}`, value));
      results.push(await store.commit('u', changes).then(String, errorMessage));
    }
    assert.equal(results[0], 'committed');
    assert.match(results.at(-1)!, /OOM .*more memory: "maxmemory"/);
    const stored = new Map<string, number>();
    for await (const page of store.pages('u', 'priv/', { keysOnly: true }))
      for (const { key } of page) {
        const commit = key.split('/')[1]!;
        stored.set(commit, (stored.get(commit) ?? 0) + 1);
      }
    for (const [n, result] of results.entries())
      assert.equal(stored.get(String(n)) ?? 0, result === 'committed' ? 5 : 0, `${n}: ${result}`);
    await client.configSet('maxmemory', '0');
    assert.equal((await store.usage('u', OWN_SCOPE)).entries, stored.size * 5);
  });

  it('one that is killed while it commits: nothing half, nothing confirmed is lost', async (t) => {
    const server = await startServer(t, '--appendonly', 'yes', '--appendfsync', 'always');
    const { store } = await open(t, server.url(), { deadlineMsecs: 5_000 });
    let confirmed = 0;
    for (let round = 0; round < 5; round++) {
      let sent = confirmed;
      const write = async (): Promise<void> => {
        for (;;) {
          const n = ++sent;
          const value = String(n).padStart(20_000, '0');
          await store.commit(
            'u',
            ['a', 'b', 'c'].map((name) => set(`priv/${name}`, value)),
          );
          confirmed = Math.max(confirmed, n);
        }
      };
      const writers = Promise.allSettled([write(), write(), write(), write()]);
      await sleep(100 + 37 * round);
      await server.stop();
      for (const { status } of await writers) assert.equal(status, 'rejected');
      await server.start();
      await eventually(() => store.check());
      const values = (await store.list('u', 'priv/')).map(({ value }) => Number(value.toString()));
      assert.equal(values.length, 3);
      assert.equal(new Set(values).size, 1, values.join());
      assert.ok(values[0]! >= confirmed - 4, `${values[0]} after ${confirmed} were confirmed`);
    }
    assert.ok(confirmed > 0);
  });
});
