import assert from 'node:assert/strict';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { createApp, type App } from '../../src/app.ts';
import { readConfig } from '../../src/config/load-config.ts';
import type { NewPush } from '../../src/stores/outbox-store.ts';
import { openSqliteOutboxStore } from '../../src/stores/sqlite/sqlite-outbox-store.ts';
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts';
import { startDoveadmStandIn } from '../bench/doveadm-stand-in.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { configIn } from '../support/config-in.ts';
import { receiverKeys } from '../support/delivery-rig.ts';
import { mountSmallDisk, noSmallDisks } from '../support/small-disk.ts';
import { recordLog, type RecordedLog } from '../support/record-log.ts';
import { eventually } from '../support/start-stage.ts';
import { teardownOf } from '../support/create-teardown.ts';

const TOKEN = 'a-token-for-dovecot';
const ADMIN_TOKEN = 'an-admin-token-for-tests';
const ENDPOINT = 'https://push.invalid/a';
const PUSHES = 400;
const USERS = 60;

/**
 * What an earlier process left: users with a subscription and a comment each, and pushes owed to them.
 *
 * @param kill called when the outbox was not closed yet
 */
async function leaveState(
  dir: string,
  kill: (dir: string) => void = () => undefined,
): Promise<void> {
  const store = await openSqliteStore(join(dir, 'state.db'));
  const record = {
    version: 1,
    active: {
      subscription: {
        created: '2026-01-01T00:00:00+00:00',
        validated: true,
        msgtype: 'all',
        resource: { endpoint: ENDPOINT, keys: receiverKeys },
      },
      tokenHash: 'hash',
      expiresAt: 1,
      history: { successes: 1, failures: 0, failuresInARow: 0 },
    },
  };
  for (let n = 0; n < USERS; n++) {
    await store.commit(`user${n}`, [
      { op: 'set', key: 'webpush/subscriptions/one', value: Buffer.from(JSON.stringify(record)) },
      { op: 'set', key: 'coi/config/enabled', value: Buffer.from('yes') },
      { op: 'set', key: 'priv/guid/comment', value: Buffer.alloc(3_000, 'x') },
    ]);
  }
  await store.close();
  const outbox = await openSqliteOutboxStore(join(dir, 'outbox.db'), { rememberMsecs: 86_400_000 });
  await outbox.add(Array.from({ length: PUSHES }, (_, n) => push(n)));
  kill(dir);
  await outbox.close();
}

const push = (n: number): NewPush => ({
  ...{ user: `user${n % USERS}`, subscriptionId: 'one', endpoint: ENDPOINT, kind: 'message' },
  ...{ payload: JSON.stringify({ uid: n, text: 'y'.repeat(500) }), urgency: 'normal' },
  ...{ createdAt: Date.now(), expiresAt: Date.now() + 86_400_000, dedupeKey: `key ${n}` },
});

interface Service {
  app: App;
  log: RecordedLog;
  readyz(): Promise<Record<string, string>>;
  /** The answer of an admin call, which must be 200. */
  ask(path: string): Promise<Record<string, unknown>>;
  post(transaction: unknown): Promise<number>;
  metric(line: RegExp): Promise<number>;
}

async function startOver(
  test: TestContext,
  dir: string,
  doveadm = 'http://127.0.0.1:1/doveadm/v1',
): Promise<Service> {
  const recorded = recordLog();
  const config = configIn(dir, {
    http: { token: TOKEN, admin_token: ADMIN_TOKEN },
    doveadm: { url: doveadm },
  });
  const app = await createApp(readConfig(JSON.stringify(config)), { log: recorded.log });
  await app.start();
  teardownOf(test).defer(() => app.stop());
  const get = (path: string): Promise<Response> =>
    fetch(app.url + path, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  return {
    app,
    log: recorded,
    readyz: async () =>
      ((await (await get('/readyz')).json()) as { checks: Record<string, string> }).checks,
    ask: async (path) => {
      const answer = await get(path);
      const body = (await answer.json()) as Record<string, unknown>;
      assert.equal(answer.status, 200, `${path}: ${JSON.stringify(body)}`);
      return body;
    },
    post: async (transaction) => {
      const answer = await fetch(`${app.url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify(transaction),
      });
      await answer.arrayBuffer();
      return answer.status;
    },
    metric: async (line) => {
      const text = await (await get('/metrics')).text();
      return Number(new RegExp(`^${line.source} (\\S+)$`, 'm').exec(text)?.[1]);
    },
  };
}

function newDir(test: TestContext): string {
  const directory = makeTempDir();
  teardownOf(test).defer(directory.remove);
  return directory.path;
}

/** SQL by somebody who does not keep to the schema. */
function vandalise(path: string, sql: string, strict = true): void {
  const db = new DatabaseSync(path);
  db.enableDefensive(false);
  if (!strict)
    db.exec(`PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET sql = replace(replace(sql, 'NOT NULL', ''), 'STRICT', '')
        WHERE type = 'table' AND sql LIKE '%STRICT';
      PRAGMA writable_schema = RESET`);
  db.exec(sql);
  db.close();
}

describe('rows of the outbox that no version of ours wrote', () => {
  const TIMES = ['created_at', 'expires_at', 'next_attempt_at', 'attempts', 'unanswered'];
  const strict = [
    ...TIMES.flatMap((column) =>
      [
        '9223372036854775807',
        '-9223372036854775808',
        '9007199254740993',
        '-1',
        '8640000000000001',
      ].map((value) => `${column} = ${value}`),
    ),
    'id = 9223372036854775807',
    'id = -5',
    "kind = 'bogus'",
    "urgency = ''",
    "payload = printf('%.*c', 3000000, 'x')",
  ];
  const loose = [
    ...['user', 'endpoint', 'payload', ...TIMES].map((column) => `${column} = NULL`),
    "created_at = 'never'",
    "user = x'ff'",
    "payload = x'ff00'",
    'expires_at = 1e300',
  ];

  it('are set aside, counted and told; the rest goes on, and ids go on growing', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    const path = join(dir, 'outbox.db');
    vandalise(path, strict.map((set, n) => `UPDATE owed SET ${set} WHERE id = ${n + 1};`).join(''));
    const rows = strict.length + loose.length;
    vandalise(
      path,
      loose
        .map((set, n) => `UPDATE owed SET ${set} WHERE id = ${strict.length + n + 1};`)
        .join('') + 'UPDATE probe SET count = 9223372036854775807;',
      false,
    );
    const service = await startOver(test, dir);
    assert.equal(service.app.domain.delivery.levels().owed, PUSHES - rows);
    const listed = await service.ask('/v1/outbox?limit=1000');
    assert.equal((listed['pushes'] as unknown[]).length, PUSHES - rows);
    const { outbox } = await service.readyz();
    assert.equal(outbox, `ok; ${rows} damaged pushes are not sent`);
    assert.equal(await service.metric(/coi_damaged\{kind="pushes"\}/), rows);
    assert.match(service.log.said('error').join(), /damaged pushes are not sent/);
    const [added] = await service.app.ground.outbox.add([push(9_999)]);
    assert(added !== undefined && added.id < 100_000);
    await service.app.stop();
    const db = new DatabaseSync(path);
    // One is too large to be kept.
    assert.equal(db.prepare('SELECT count(*) AS n FROM damaged').get()?.['n'], rows - 1);
    db.close();
    const again = await startOver(test, dir);
    assert.equal((await again.readyz())['outbox'], 'ok');
  });

  it('are forgotten with their user', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    vandalise(join(dir, 'outbox.db'), 'UPDATE owed SET attempts = -1');
    const service = await startOver(test, dir);
    await service.app.ground.outbox.forgetUser('user0');
    await service.app.stop();
    const db = new DatabaseSync(join(dir, 'outbox.db'));
    const { n } = db.prepare("SELECT count(*) AS n FROM damaged WHERE user = 'user0'").get()!;
    assert.equal(n, 0);
    assert(Number(db.prepare('SELECT count(*) AS n FROM damaged').get()?.['n']) > 300);
    db.close();
  });
});

describe('a damaged outbox.db', () => {
  const damages: Record<string, (path: string) => void> = {
    'is text': (path) => writeFileSync(path, 'not a database\n'.repeat(10_000)),
    'is random octets from the first page on': (path) => overwrite(path, 0, 4096),
    'has a page overwritten in its middle': (path) => overwrite(path, 4096 * 20, 4096),
    'has half of its pages overwritten': (path) =>
      overwrite(path, 4096 * 10, Math.floor(statSync(path).size / 2)),
    'is cut off': (path) => truncateSync(path, 4096 * 12),
    'is cut off within a page': (path) => truncateSync(path, 5_000),
    'has lost its end': (path) => truncateSync(path, statSync(path).size - 5_000),
    'is empty': (path) => truncateSync(path),
    'lacks a table': (path) => vandalise(path, 'DROP TABLE settled'),
    'has forgotten its version': (path) => vandalise(path, 'PRAGMA user_version = 0'),
    'has a schema of nonsense': (path) =>
      vandalise(
        path,
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = 'owed'",
      ),
    'has garbage for a write-ahead log': (path) =>
      writeFileSync(`${path}-wal`, Buffer.alloc(50_000, 'g')),
  };
  for (const [damage, inflict] of Object.entries(damages)) {
    it(`that ${damage} keeps the service neither from starting nor from pushing`, async (test) => {
      const dir = newDir(test);
      await leaveState(dir);
      const path = join(dir, 'outbox.db');
      inflict(path);
      const service = await startOver(test, dir);
      await service.ask('/v1/outbox');
      const [added] = await service.app.ground.outbox.add([push(9_999)]);
      assert(added !== undefined);
      const { outbox } = await service.readyz();
      const aside = readdirSync(dir).filter((name) =>
        /^outbox\.db\.damaged-[^-]+-[^-]+-[^-]+$/.test(name),
      );
      if (damage === 'is empty' || damage.includes('write-ahead')) {
        assert.deepEqual([outbox, aside], ['ok', []]);
      } else {
        assert.equal(aside.length, 1, 'set aside');
        assert.match(
          outbox ?? '',
          /^ok; begun anew with \d+ rows of the damaged .*outbox\.db\.damaged-/,
        );
        assert.match(service.log.said('error').join(), /a damaged file was set aside/);
        assert.equal(await service.metric(/coi_damaged\{kind="files"\}/), 1);
        assert.equal(statSync(path).mode & 0o777, 0o600);
      }
      if (/middle|lacks|forgotten|lost its end/.test(damage)) {
        const { owed } = service.app.domain.delivery.levels();
        assert(owed > PUSHES / 2, `most is salvaged: ${owed}`);
      }
    });
  }

  for (const moved of [1, 2, 3]) {
    it(`is salvaged by the next start, if the process ended with ${moved} of its files moved`, async (test) => {
      const dir = newDir(test);
      await leaveState(newDir(test), (left) => cpSync(left, dir, { recursive: true }));
      const path = join(dir, 'outbox.db');
      assert(statSync(`${path}-wal`).size > 0, 'what is owed is in the log');
      for (const part of ['', '-wal', '-shm'].slice(0, moved))
        renameSync(path + part, `${path}.salvage${part}`);
      const service = await startOver(test, dir);
      assert.equal(service.app.domain.delivery.levels().owed, PUSHES);
      const { outbox } = await service.readyz();
      assert.match(
        outbox ?? '',
        /^ok; begun anew with \d+ rows of the damaged .*outbox\.db\.damaged-/,
      );
      await service.app.stop();
      const again = await startOver(test, dir);
      assert.equal((await again.readyz())['outbox'], 'ok');
      assert.equal(again.app.domain.delivery.levels().owed, PUSHES);
    });
  }

  it('is kept unread once three processes ended while they read it', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    const path = join(dir, 'outbox.db');
    renameSync(path, `${path}.salvage`);
    writeFileSync(`${path}.salvage-attempts`, '...');
    const service = await startOver(test, dir);
    assert.match((await service.readyz())['outbox'] ?? '', /begun anew with 0 rows of the damaged/);
    const left = readdirSync(dir).filter((name) => name.includes('.salvage'));
    assert.deepEqual(left, []);
  });

  it(
    'is salvaged when there is space again, in the next process, too',
    { skip: noSmallDisks },
    async (test) => {
      const disk = mountSmallDisk('8m');
      teardownOf(test).defer(() => disk.unmount());
      const dir = disk.dir;
      await leaveState(dir);
      truncateSync(join(dir, 'outbox.db'), statSync(join(dir, 'outbox.db')).size - 4096);
      disk.fill();
      const service = await startOver(test, dir);
      assert.notEqual((await service.readyz())['outbox']?.slice(0, 2), 'ok');
      await assert.rejects(service.app.ground.outbox.add([push(9_999)]));
      await service.app.stop();
      const still = await startOver(test, dir);
      disk.free();
      await eventually(() => still.app.ground.outbox.check());
      await eventually(async () => {
        const pushes = await still.app.ground.outbox.page(0, 1_000);
        assert(pushes.length > PUSHES / 2, `${pushes.length} are owed`);
      });
    },
  );

  it('is replaced while the service runs, too, and what is owed in memory goes on', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    const service = await startOver(test, dir);
    const path = join(dir, 'outbox.db');
    const { outbox } = service.app.ground;
    await service.readyz();
    await eventually(() => assert.equal(service.app.domain.delivery.snapshot().state, 'running'));
    for (let page = 1; page < statSync(path).size / 4096; page += 1)
      overwrite(path, 4096 * page, 4096);
    const before = await outbox.page(0, 1_000).catch(() => []);
    const [added] = await outbox.add([push(10_000), push(10_001)]);
    const page = await outbox.page(0, 1_000);
    assert(added !== undefined && page.some(({ id }) => id === added.id));
    assert(page.length <= PUSHES + 2 && before.length <= PUSHES);
    await service.app.ground.outbox.check();
  });
});

describe('a damaged state.db', () => {
  const whole: Record<string, (path: string) => void> = {
    'is text': (path) => writeFileSync(path, 'not a database\n'.repeat(10_000)),
    'is random octets': (path) => overwrite(path, 0, statSync(path).size),
    'lacks its table': (path) => vandalise(path, 'DROP TABLE entries'),
    'is cut off': (path) => truncateSync(path, 4_096),
    'has a schema of nonsense': (path) =>
      vandalise(
        path,
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = 'entries'",
      ),
  };
  for (const [damage, inflict] of Object.entries(whole)) {
    it(`that ${damage} is left alone: mail flows, metadata waits, /readyz says why`, async (test) => {
      const dir = newDir(test);
      await leaveState(dir);
      const path = join(dir, 'state.db');
      inflict(path);
      const before = readFileSync(path);
      const service = await startOver(test, dir);
      const { store } = await service.readyz();
      assert.match(store ?? '', /state\.db is (not an SQLite database|damaged)/);
      assert([202, 204].includes(await service.post({ user: 'user1', events: [newMessage()] })));
      await assert.rejects(service.app.flows.gate.lookup('user1', 'priv/guid/comment'));
      await service.app.stop();
      if (damage !== 'is cut off') assert.deepEqual(readFileSync(path), before);
    });
  }

  it('in part cuts off whom it concerns, and /readyz, log and metrics count them', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    const path = join(dir, 'state.db');
    const pages = statSync(path).size / 4096;
    for (let page = 12; page < pages; page += 9) overwrite(path, page * 4096, 4096);
    const service = await startOver(test, dir);
    const { gate } = service.app.flows;
    const results = await Promise.allSettled(
      Array.from({ length: USERS }, (_, n) => gate.lookup(`user${n}`, 'priv/guid/comment')),
    );
    const failed = results.filter(({ status }) => status === 'rejected').length;
    assert(failed > 0 && failed < USERS, `${failed} of ${USERS}`);
    const { store } = await service.readyz();
    assert.match(store ?? '', /^what is stored of \d+ users cannot be read, all others are served/);
    assert((await service.metric(/coi_damaged\{kind="users"\}/)) >= failed);
    assert.match(service.log.said('error').join(), /what is stored of a user cannot be read/);
    assert(service.log.said('error').length < 5);
  });

  it('has values of any kind: they are overlooked, or read for what they are', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    const values = ['NULL', '9223372036854775807', '1e300', "'text'", "x''", "x'7b'"];
    vandalise(
      join(dir, 'state.db'),
      values
        .map((value, n) => `UPDATE entries SET value = ${value} WHERE user = 'user${n}';`)
        .join('') + 'UPDATE probe SET count = 9223372036854775807;',
      false,
    );
    const service = await startOver(test, dir);
    for (let n = 0; n < values.length; n++) {
      await readAll(service.app.flows.gate.iterate(`user${n}`, 'priv/', { noValue: false }));
      await service.app.flows.gate.commit(`user${n}`, [
        { op: 'set', key: 'priv/guid/comment', value: Buffer.from('new') },
      ]);
      const found = await service.app.flows.gate.lookup(`user${n}`, 'priv/guid/comment');
      assert.equal(found?.toString(), 'new');
    }
    await service.ask('/v1/users?limit=100');
    for (let n = 1; n < values.length; n++) await service.ask(`/v1/users/user${n}`);
    assert.match(
      (await service.readyz())['store'] ?? '',
      /^ok; [1-6] damaged records? (is|are) not used/,
    );
  });
});

describe('damaged records', () => {
  const good = {
    subscription: {
      created: '2026-01-01T00:00:00+00:00',
      msgtype: 'all',
      resource: { endpoint: ENDPOINT, keys: receiverKeys },
    },
    tokenHash: 'hash',
    expiresAt: 1,
    history: {},
  };
  const anything = fc.oneof(
    fc.anything({ maxDepth: 2 }),
    fc.constantFrom(1e300, -1, 2 ** 53, Number.MAX_SAFE_INTEGER, 'x', null, {}, []),
  );
  const paths = [
    ['subscription'],
    ['subscription', 'created'],
    ['subscription', 'client'],
    ['subscription', 'msgtype'],
    ['subscription', 'resource'],
    ['subscription', 'resource', 'endpoint'],
    ['subscription', 'resource', 'keys'],
    ['subscription', 'resource', 'keys', 'p256dh'],
    ['tokenHash'],
    ['expiresAt'],
    ['sentAt'],
    ['history'],
    ...['successes', 'failuresInARow', 'lastStatus', 'lastAt', 'lastOutcome'].map((name) => [
      'history',
      name,
    ]),
  ];

  it('of any shape are shown, removed and replaced like any other', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    const service = await startOver(test, dir);
    const { store } = service.app.ground;
    const { subscriptions } = service.app.domain;
    const part = fc.record({ at: fc.constantFrom(...paths), value: anything });
    const records = fc.record({
      version: fc.constantFrom<unknown>(1, 1, 1, 2, null),
      active: fc.array(part, { maxLength: 3 }),
      pending: fc.option(fc.array(part, { maxLength: 3 })),
    });
    await fc.assert(
      fc.asyncProperty(records, async ({ version, active, pending }) => {
        const record = {
          version,
          active: spoil(good, active),
          ...(pending && { pending: spoil(good, pending) }),
        };
        const value = Buffer.from(JSON.stringify(record));
        await store.commit('eve', [{ op: 'set', key: 'webpush/subscriptions/one', value }]);
        await service.ask('/v1/users/eve');
        await subscriptions.forMessage('eve', true);
        await readAll(service.app.flows.gate.iterate('eve', 'priv/', { noValue: false }));
        await subscriptions.sweepAll();
        await subscriptions.unsubscribe('eve', 'one');
      }),
      { numRuns: 150 },
    );
  });

  it('that are not JSON, or no key: the user is served, and can be forgotten', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    const store = await openSqliteStore(join(dir, 'state.db'));
    const garbage = [
      Buffer.alloc(0),
      Buffer.from('null'),
      Buffer.from('{'),
      Buffer.alloc(9_000, 255),
    ];
    for (const [n, value] of garbage.entries()) {
      const keys = ['webpush/subscriptions/one', 'coi/config/enabled', 'coi/config/message-filter'];
      await store.commit(`user${n}`, [
        ...keys.map((key) => ({ op: 'set', key, value }) as const),
        { op: 'set', key: 'webpush/subscriptions/\u0000\u202e', value },
        { op: 'set', key: 'webpush/vapid', value },
      ]);
    }
    await store.close();
    const service = await startOver(test, dir);
    await service.ask('/v1/users');
    assert.match(
      (await service.readyz())['store'] ?? '',
      /^ok; \d damaged records? (is|are) not used/,
    );
    for (const n of garbage.keys()) {
      const answer = await fetch(`${service.app.url}/v1/users/user${n}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      });
      await answer.arrayBuffer();
      assert(answer.status < 500 || answer.status === 503, `${answer.status}`);
    }
  });
});

describe('numbers that an event may carry', () => {
  it('never keep the service from its next start', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    // Finds no message, so that pushes are made of what events say.
    const doveadm = await startDoveadmStandIn();
    teardownOf(test).defer(() => doveadm.close());
    let service = await startOver(test, dir, doveadm.url);
    const number = fc.oneof(
      fc.constantFrom(
        ...[
          0,
          -0,
          -1,
          1,
          1e21,
          1e300,
          -1e300,
          2 ** 31,
          2 ** 32,
          2 ** 53,
          -(2 ** 53),
          8_640_000_000_000,
        ],
        ...[Number.MAX_SAFE_INTEGER, 8_640_000_000_001, 253_402_300_800],
      ),
      fc.integer(),
      fc.double(),
    );
    const usual = { weight: 8, arbitrary: fc.nat({ max: 6_000 }) };
    const some = fc.oneof(usual, { weight: 1, arbitrary: number });
    const event = fc.record(
      { uid: some, uidvalidity: some, date: some, tz: some, received: some },
      { requiredKeys: [] },
    );
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 4 }), async (events) => {
        const transaction = {
          user: 'user1',
          events: events.map((numbers) => ({ ...newMessage(), ...numbers })),
        };
        const status = await service.post(transaction);
        assert([202, 204, 400].includes(status), `${status}`);
        if (status !== 400) accepted += 1;
      }),
      { numRuns: 300 },
    );
    assert(accepted > 10, `${accepted}`);
    for (const received of [0, 1, 8_640_000_000_000]) {
      const event = { ...newMessage(), uid: 10 + (received % 1_000), received };
      const status = await service.post({ user: 'user2', events: [event] });
      assert([202, 204].includes(status), `${received}: ${status}`);
    }
    assert.equal(
      await service.post({
        user: 'user2',
        events: [{ ...newMessage(), received: Number.MAX_SAFE_INTEGER }],
      }),
      400,
    );
    await service.app.flows.intake.drain();
    await eventually(() => assert(service.app.domain.delivery.levels().owed > PUSHES));
    await service.ask('/v1/outbox?limit=1000');
    await service.app.stop();
    service = await startOver(test, dir);
    const { pushes } = await service.ask('/v1/outbox?limit=1000');
    for (const one of pushes as { created: string }[]) {
      assert(Date.parse(one.created) <= Date.now(), one.created);
    }
    assert.equal((await service.readyz())['outbox'], 'ok');
  });
});

describe('things in the way', () => {
  it('directories where files are to be do not keep the service from starting', async (test) => {
    const dir = newDir(test);
    await leaveState(dir);
    for (const name of ['events/marks/x', 'events/marks.new/x']) {
      mkdirSync(join(dir, name), { recursive: true });
    }
    const service = await startOver(test, dir);
    const checks = await service.readyz();
    assert.equal(checks['store'], 'ok');
    assert.match(checks['events'] ?? '', /marks may hide users from Dovecot/);
  });
});

function newMessage(): Record<string, unknown> {
  const keywords: string[] = [];
  return { event: 'MessageNew', mailbox: 'INBOX', uid: 5, uidvalidity: 6, keywords };
}

function spoil(base: object, parts: readonly { at: readonly string[]; value: unknown }[]): unknown {
  const copy = structuredClone(base);
  for (const { at, value } of parts) {
    let place = copy as Record<string, unknown>;
    for (const name of at.slice(0, -1)) {
      if (typeof place[name] !== 'object' || place[name] === null) place[name] = {};
      place = place[name] as Record<string, unknown>;
    }
    place[at.at(-1) ?? ''] = structuredClone(value); // or it could come to stand within itself
  }
  return copy;
}

/** Writes octets that are nothing over a part of a file. */
function overwrite(path: string, at: number, octets: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(octets, 0xa7), 0, octets, at);
  closeSync(file);
}

async function readAll(pages: AsyncIterable<unknown>): Promise<void> {
  const reading = pages[Symbol.asyncIterator]();
  while ((await reading.next()).done !== true);
}
