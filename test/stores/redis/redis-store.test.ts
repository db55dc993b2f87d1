import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before, describe, it, type TestContext } from 'node:test';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createClient } from 'redis';
import { InvalidInputError, UnavailableError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/logging.ts';
import { RedisLink } from '../../../src/stores/redis/redis-link.ts';
import { openRedisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts';
import { DamageWatch, watchDamage } from '../../../src/stores/damage-watch.ts';
import type { Change, Store } from '../../../src/stores/store.ts';
import { AnnotationLimitError, OWN_SCOPE } from '../../../src/stores/annotation-limits.ts';
import { LIMITS, testAnnotationContract } from '../annotation-contract.ts';
import { testStoreContract } from '../store-contract.ts';
import { RedisServer, redisIsMissing } from './redis-server.ts';
import { createTeardown, teardownOf } from '../../support/create-teardown.ts';
import { startImpostor } from '../../support/impostor.ts';
import { notRoot } from '../../support/unprivileged.ts';

const log = createLogger('silent');

const set = (key: string, value: string): Change => ({ op: 'set', key, value: Buffer.from(value) });

/** A store that is closed with its test, however that ends. */
async function open(
  t: TestContext,
  url: string,
  options: Partial<RedisStoreOptions> = {},
): Promise<Store> {
  const opened = await openRedisStore(url, { log, ...options });
  teardownOf(t).defer(() => opened.close());
  return opened;
}

/** A connection of the test's own. */
async function openClient(t: TestContext, url: string) {
  const client = await createClient({ url, RESP: 2 }).connect();
  teardownOf(t).defer(() => client.destroy());
  return client;
}

async function allUsers(store: Store): Promise<string[]> {
  const users: string[] = [];
  for await (const user of store.users()) users.push(user);
  return users;
}

async function timed(work: Promise<unknown>): Promise<{ error: unknown; msecs: number }> {
  const start = performance.now();
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, msecs: performance.now() - start };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await condition()); attempt++) {
    if (attempt === 100) throw new Error('it did not come to pass');
    await sleep(50);
  }
}

/** A way to a server that is cut for good when that command has been sent so often. */
async function cutAfter(url: string, command: string, times: number) {
  const to = new URL(url);
  const port = Number(to.port);
  let seen = 0;
  const sockets: Socket[] = [];
  const gate = createServer((socket) => {
    const onward = connect(port, to.hostname);
    sockets.push(socket, onward);
    for (const one of [socket, onward]) one.on('error', () => undefined);
    onward.pipe(socket);
    socket.on('data', (data) => {
      seen += data.toString('latin1').split(`\r\n${command}\r\n`).length - 1;
      if (seen >= times) close();
      else onward.write(data);
    });
  }).listen(0, '127.0.0.1');
  const close = (): void => {
    gate.close();
    for (const socket of sockets) socket.destroy();
  };
  await once(gate, 'listening');
  to.port = String((gate.address() as AddressInfo).port);
  return { url: to.href, close };
}

const succeeds = (work: () => Promise<unknown>) => (): Promise<boolean> =>
  work().then(
    () => true,
    () => false,
  );

describe('another user who has taken the port of Redis', { skip: notRoot }, () => {
  const PASSWORD = 'the-password-of-redis';
  const opened = (port: number, trustedUsers: string[]): Promise<Store> =>
    openRedisStore(`redis://:${PASSWORD}@localhost:${port}/1`, {
      ...{ log, deadlineMsecs: 3_000, trustedUsers },
    });

  it('is sent neither the password nor anything else', async () => {
    await using impostor = await startImpostor();
    await assert.rejects(
      opened(impostor.port, []),
      /port \d+ of 127\.0\.0\.1 is held by a process of uid 65534.*store\.trusted_users/,
    );
    assert.equal(impostor.heard(), '');
    await assert.rejects(opened(impostor.port, ['nobody']));
    assert.match(impostor.heard(), /AUTH/, 'it listens');
  });

  it('nor one who has a connection of ours and left the port to Redis', async (t) => {
    await using impostor = await startImpostor();
    const { port } = impostor;
    const socket = connect(port, '127.0.0.1');
    teardownOf(t).defer(() => void socket.destroy());
    await once(socket, 'connect');
    await impostor.letGo();
    const redis = createServer().listen(port, '127.0.0.1');
    teardownOf(t).defer(() => void redis.close());
    await once(redis, 'listening');
    await assert.rejects(opened(port, []), /has changed hands.*nothing was sent/);
    assert.equal(impostor.heard(), '');
  });
});

describe('with a Redis server', { skip: redisIsMissing }, () => {
  testStoreContract('redis', async () => {
    const server = await RedisServer.start();
    return { store: await openRedisStore(server.url(), { log }), dispose: () => server.dispose() };
  });

  testAnnotationContract('redis', async (limits) => {
    const server = await RedisServer.start();
    const store = await openRedisStore(server.url(), { log, limits });
    return { store, dispose: () => server.dispose() };
  });

  describe('openRedisStore', () => {
    let server: RedisServer;
    const teardown = createTeardown();
    before(async () => {
      server = await RedisServer.start();
      teardown.defer(() => server.dispose());
    });

    it('counts through what an older coi-sidecar stored, or changed meanwhile', async (t) => {
      const store = await open(t, server.url(), { limits: LIMITS });
      const client = await openClient(t, server.url());
      await client.hSet('coi:u:old', 'priv/é', 'x');
      assert.deepEqual(await store.usage('old', OWN_SCOPE), { entries: 1, octets: 8 });
      for (let n = 1; n < LIMITS.own.entries; n++) await client.hSet('coi:u:old', `priv/${n}`, 'x');
      await assert.rejects(store.commit('old', [set('priv/more', '')]), AnnotationLimitError);
      assert.equal((await store.usage('old', OWN_SCOPE)).entries, LIMITS.own.entries);
      await client.del('coi:u:old');
      await store.commit('old', [set('priv/a', '1')]);
      assert.deepEqual(await store.usage('old', OWN_SCOPE), { entries: 1, octets: 7 });
      await store.commit('old', [{ op: 'unset', key: 'priv/a' }]);
      assert.equal(await client.exists('coi:n:old'), 0);
    });

    it('keeps to its prefix, with two hashes for each user and a set of them', async (t) => {
      const store = await open(t, server.url());
      await store.commit('alice', [set('a', '1'), set('b', '2')]);
      await store.commit('bob', [set('a', '1')]);
      await store.commit('bob', [{ op: 'unset', key: 'a' }]);
      const client = await openClient(t, server.url());
      assert.deepEqual((await client.keys('*')).sort(), [
        'coi:check',
        'coi:n:alice',
        'coi:u:alice',
        'coi:users',
      ]);
      assert.deepEqual({ ...(await client.hGetAll('coi:u:alice')) }, { a: '1', b: '2' });
      assert.deepEqual(await client.sMembers('coi:users'), ['alice']);
      assert((await client.ttl('coi:check')) > 0);
    });

    it('keeps databases apart', async (t) => {
      const first = await open(t, server.url(1));
      const second = await open(t, server.url(2));
      await first.commit('u', [set('a', '1')]);
      assert.equal(await second.get('u', 'a'), undefined);
    });

    it('shares a database with other sidecars', async (t) => {
      const stores = await Promise.all([1, 2, 3].map(() => open(t, server.url(3))));
      await stores[0]!.commit('u', [set('n', '0')]);
      const by = (): Change[] => [{ op: 'increment', key: 'n', by: 1 }];
      await Promise.all(
        stores.flatMap((one) => Array.from({ length: 100 }, () => one.commit('u', by()))),
      );
      assert.equal((await stores[2]!.get('u', 'n'))?.toString(), '300');
    });

    it('goes on after the server has forgotten the script', async (t) => {
      const store = await open(t, server.url());
      await store.commit('u', [set('a', '1')]);
      const client = await openClient(t, server.url());
      await client.scriptFlush();
      assert.equal(await store.commit('u', [set('a', '2')]), 'committed');
      assert.equal((await store.get('u', 'a'))?.toString(), '2');
    });

    it('changes nothing, and says why, when the server is out of memory or read-only', async (t) => {
      const store = await open(t, server.url());
      await store.commit('u', [set('a', '1')]);
      const client = await openClient(t, server.url());
      const changes: Change[] = [{ op: 'unset', key: 'a' }, set('b', '2')];
      for (const [name, value, usual] of [
        ['maxmemory', '1', '0'],
        ['min-replicas-to-write', '1', '0'],
      ] as const) {
        await client.configSet(name, value);
        // Nothing may come between: a script that may free memory before it takes some would run.
        await assert.rejects(store.commit('u', [...changes].reverse()), {
          name: 'UnavailableError',
          message: /^Redis refuses: /,
        });
        await assert.rejects(store.check(), UnavailableError);
        assert.equal((await store.list('u', '')).length, 1);
        await client.configSet(name, usual);
        await store.check();
      }
    });

    it('starts on a server that is out of memory, and goes on when there is some', async (t) => {
      const client = await openClient(t, server.url(4));
      await (await open(t, server.url(4))).commit('u', [set('a', '1')]);
      await client.configSet('maxmemory', '1');
      const store = await open(t, server.url(4));
      assert.equal((await store.get('u', 'a'))?.toString(), '1');
      await assert.rejects(store.check(), /OOM/);
      await client.configSet('maxmemory', '0');
      await store.check();
    });

    it('counts through what stands in place of a count', async (t) => {
      const store = await open(t, server.url(7), { limits: LIMITS });
      const client = await openClient(t, server.url(7));
      const counters = 'coi:n:user';
      const damages: Record<string, () => Promise<unknown>> = {
        'no hash': () => client.set(counters, 'garbage'),
        'no numbers': () => client.hSet(counters, { epriv: 'nan', opriv: 'x' }),
        'no number of entries': () => client.hSet(counters, 'all', 'x'),
        'less than nothing': () => client.hSet(counters, { epriv: '-9000000000', opriv: '-5' }),
        'out of 64 bits': () => client.hSet(counters, 'opriv', '1e400'),
        'no octets': () => client.hDel(counters, 'opriv'),
      };
      await store.commit('user', [set('priv/a', '1')]);
      for (const [what, damage] of Object.entries(damages)) {
        await damage();
        await store.commit('user', [set('priv/a', '2')]);
        assert.deepEqual(await store.usage('user', OWN_SCOPE), { entries: 1, octets: 7 }, what);
      }
    });

    it('sets what stands in place of its set of users aside, and makes it anew', async (t) => {
      const client = await openClient(t, server.url(5));
      const first = await open(t, server.url(5));
      for (const user of ['alice', 'bob', 'ü'.repeat(20)])
        await first.commit(user, [set('a', '1')]);
      await client.set('coi:users', 'garbage');
      const store = await open(t, server.url(5));
      const users = await allUsers(store);
      assert.deepEqual(users.sort(), ['alice', 'bob', 'ü'.repeat(20)]);
      assert.equal(await client.get('coi:damaged:users'), 'garbage');
    });

    it('does so while it runs: one key does not keep every user from writing', async (t) => {
      const client = await openClient(t, server.url(8));
      const stores = [await open(t, server.url(8)), await open(t, server.url(8))];
      await stores[0]!.commit('alice', [set('a', '1')]);
      await client.set('coi:users', 'garbage');
      const names = Array.from({ length: 20 }, (_, n) => `u${n}`);
      await Promise.all(names.map((name, n) => stores[n % 2]!.commit(name, [set('a', '1')])));
      const users = await allUsers(stores[0]!);
      assert.deepEqual(users.sort(), ['alice', ...names].sort());
      assert.equal(await client.get('coi:damaged:users'), 'garbage');
    });

    it('goes on with that where one that was killed has left off', async (t) => {
      const client = await openClient(t, server.url(9));
      const names = Array.from({ length: 3_000 }, (_, n) => `u${n}`);
      await Promise.all(names.map((name) => client.hSet(`coi:u:${name}`, 'a', '1')));
      const other = await open(t, server.url(9));
      await client.set('coi:users', 'garbage');
      const { url, close } = await cutAfter(server.url(9), 'SADD', 2);
      teardownOf(t).defer(close);
      await assert.rejects(openRedisStore(url, { log }), UnavailableError);
      assert.ok((await client.sCard('coi:users')) < names.length, 'it was cut midway');
      assert.deepEqual((await allUsers(other)).sort(), [...names].sort());
      await client.sRem('coi:users', 'u1');
      await allUsers(await open(t, server.url(9)));
      assert.equal(await client.sCard('coi:users'), names.length - 1, 'it was done once');
    });

    it('fails for the user whose hash is none, and counts them; others are served', async (t) => {
      const client = await openClient(t, server.url(6));
      const watch = new DamageWatch(log, () => 0);
      const store = watchDamage(await open(t, server.url(6)), watch);
      await client.set('coi:u:eve', '9223372036854775807');
      const damaged = { name: 'DamagedError' };
      await assert.rejects(store.get('eve', 'a'), damaged);
      await assert.rejects(store.list('eve', ''), damaged);
      await assert.rejects(store.commit('eve', [set('a', '1')]), damaged);
      await store.commit('bob', [set('n', '9223372036854775807')]);
      await assert.rejects(
        store.commit('bob', [set('m', '1'), { op: 'increment', key: 'n', by: 1 }]),
        InvalidInputError,
      );
      await assert.rejects(
        store.commit('new', [set('n', 'x'), { op: 'increment', key: 'n', by: 1 }]),
        InvalidInputError,
      );
      assert.deepEqual(await allUsers(store), ['bob']);
      assert.equal(watch.counts().users, 1);
      assert.throws(() => watch.checkUsers(), /1 user cannot be read/);
    });

    it('refuses a wrong password, without showing it', async () => {
      const url = `redis://:wrong-secret@127.0.0.1:${server.port}`;
      const { error, msecs } = await timed(openRedisStore(url, { log, deadlineMsecs: 2000 }));
      assert(error instanceof UnavailableError);
      assert.match(error.message, /WRONGPASS/);
      assert.doesNotMatch(error.message, /wrong-secret/);
      assert(msecs < 6000);
    });

    it('warns of a server that loses what it confirmed', async (t) => {
      const lines: string[] = [];
      const log = pino({ base: null }, { write: (line) => lines.push(line) });
      await open(t, server.url(), { log });
      assert.match(lines.join(''), /set \\"appendonly yes\\"/);
    });
  });

  describe('a server that goes away', () => {
    let server: RedisServer;
    let store: Store;
    const teardown = createTeardown();
    before(async () => {
      server = await RedisServer.start();
      teardown.defer(() => server.dispose());
      store = await openRedisStore(server.url(), { log, deadlineMsecs: 1000 });
      teardown.defer(() => store.close());
    });

    it('fails calls by their deadline, then at once, and works again when it is back', async () => {
      await store.commit('u', [set('a', '1')]);
      await server.stop();
      const calls = [
        () => store.commit('u', [set('a', '2')]),
        () => store.get('u', 'a'),
        () => store.list('u', ''),
        () => store.check(),
        () => store.users()[Symbol.asyncIterator]().next(),
      ];
      for (const { error, msecs } of await Promise.all(calls.map((call) => timed(call())))) {
        assert(error instanceof UnavailableError);
        assert(msecs < 5000, `${msecs} ms`);
      }
      await sleep(1100);
      const { error, msecs } = await timed(store.get('u', 'a'));
      assert(error instanceof UnavailableError);
      assert(msecs < 500, `${msecs} ms`);
      await server.start();
      await until(succeeds(() => store.commit('u', [set('a', '3')])));
      assert.equal((await store.get('u', 'a'))?.toString(), '3');
    });

    it('bridges a restart that is quicker than the deadline', async (t) => {
      const lost = Promise.withResolvers<undefined>();
      const log = pino(
        {},
        { write: (line) => line.includes('lost the connection') && lost.resolve(undefined) },
      );
      const patient = await open(t, server.url(), { deadlineMsecs: 20_000, log });
      await server.stop();
      await lost.promise;
      const [result] = await Promise.all([patient.commit('u', [set('b', '1')]), server.start()]);
      assert.equal(result, 'committed');
      assert.equal((await patient.get('u', 'b'))?.toString(), '1');
    });

    it('fails calls by their deadline when it is silent, and works again afterwards', async () => {
      server.signal('SIGSTOP');
      for (let round = 0; round < 2; round++) {
        const { error, msecs } = await timed(store.commit('u', [set('a', '4')]));
        assert(error instanceof UnavailableError);
        assert(msecs < 5000, `${msecs} ms`);
      }
      server.signal('SIGCONT');
      await until(succeeds(() => store.commit('u', [set('a', '5')])));
      assert.equal((await store.get('u', 'a'))?.toString(), '5');
    });
  });
});

describe('a way to the server that is cut', { skip: redisIsMissing }, () => {
  it('is given up by the deadline, greeting or not, and tried anew', async (t) => {
    const server = await RedisServer.start();
    teardownOf(t).defer(() => server.dispose());
    const sockets: Socket[] = [];
    // Of the connections after the first, two are accepted and lead nowhere.
    const gate = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      if (sockets.length === 2 || sockets.length === 3) return;
      const onward = connect(server.port, '127.0.0.1').on('error', () => undefined);
      socket.pipe(onward).pipe(socket);
    }).listen(0, '127.0.0.1');
    teardownOf(t).defer(() => {
      gate.close();
      for (const socket of sockets) socket.destroy();
    });
    await once(gate, 'listening');
    const address = gate.address();
    assert(address !== null && typeof address === 'object');
    const url = server.url().replace(`:${server.port}/`, `:${address.port}/`);
    const store = await open(t, url, { deadlineMsecs: 700 });
    sockets[0]?.destroy();
    await until(succeeds(() => store.commit('u', [set('a', '1')])));
    assert.equal(sockets.length, 4);
  });
});

describe('a way to the server that is slow', { skip: redisIsMissing }, () => {
  it('is not given up while answers come: large ones of one user cost others no connection', async (t) => {
    const server = await RedisServer.start();
    teardownOf(t).defer(() => server.dispose());
    let slow = false;
    const gate = createServer((socket) => {
      const onward = connect(server.port, '127.0.0.1').on('error', () => undefined);
      socket.on('error', () => undefined).pipe(onward);
      onward
        .pipe(
          new Transform({
            transform(chunk: Buffer, _encoding, done): void {
              this.push(chunk);
              if (slow) setTimeout(done, 200);
              else done();
            },
            writableHighWaterMark: 1,
          }).on('error', () => undefined),
        )
        .pipe(socket);
      teardownOf(t).defer(() => [socket, onward].forEach((end) => end.destroy()));
    }).listen(0, '127.0.0.1');
    teardownOf(t).defer(() => void gate.close());
    await once(gate, 'listening');
    const { port } = gate.address() as AddressInfo;
    const downs: string[] = [];
    const link = new RedisLink(server.url().replace(`:${server.port}/`, `:${port}/`), {
      ...{ deadlineMsecs: 2_000, trustedUsers: [] },
      onDown: (reason) => downs.push(reason),
    });
    teardownOf(t).defer(() => link.close());
    await link.send(['SET', 'large', 'x'.repeat(100_000)]);
    slow = true;
    const calls = await Promise.allSettled(
      Array.from({ length: 40 }, () => link.send(['GET', 'large'])),
    );
    slow = false;
    assert(calls.some(({ status }) => status === 'fulfilled'));
    assert(
      calls.some(({ status }) => status === 'rejected'),
      'some were too late',
    );
    await until(succeeds(() => link.send(['PING'])));
    assert.deepEqual(downs, []);
  });
});

describe('a store that is given up while it connects', { skip: redisIsMissing }, () => {
  it('leaves no connection behind', async () => {
    const server = await RedisServer.start();
    const script = `
      const { RedisLink } = await import(${JSON.stringify(
        new URL('../../../src/stores/redis/redis-link.ts', import.meta.url).href,
      )});
      const link = new RedisLink(${JSON.stringify(server.url())}, { deadlineMsecs: 1000 });
      await link.close();`;
    // The process ends by itself once nothing is left.
    const options = { timeout: 20_000, stdio: 'inherit' } as const;
    execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
    await server.dispose();
  });
});

describe('openRedisStore without a server', () => {
  it('says so by its deadline', async () => {
    const { error, msecs } = await timed(
      openRedisStore('redis://127.0.0.1:1', { log, deadlineMsecs: 1000 }),
    );
    assert(error instanceof UnavailableError);
    assert.match(error.message, /ECONNREFUSED/);
    assert(msecs < 5000, `${msecs} ms`);
  });

  it('does not hang on a server that accepts and says nothing', async (t) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    teardownOf(t).defer(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    await once(server, 'listening');
    const address = server.address();
    assert(address !== null && typeof address === 'object');
    const { error, msecs } = await timed(
      openRedisStore(`redis://127.0.0.1:${address.port}`, { log, deadlineMsecs: 300 }),
    );
    assert(error instanceof UnavailableError);
    assert(msecs < 5000, `${msecs} ms`);
  });

  for (const url of ['redis:', 'redis://', 'redis://h/notanumber', 'redis://h:port', 'rediss:///1'])
    it(`refuses the address ${url}`, async () => {
      await assert.rejects(openRedisStore(url, { log }), InvalidInputError);
    });
});
