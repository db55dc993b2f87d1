import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { startConnectProxy, type TestProxy } from '../../support/connect-proxy.ts';
import { lockDatabase } from '../../support/lock-database.ts';
import { recordLog, type RecordedLog } from '../../support/record-log.ts';
import { mountSmallDisk, noSmallDisks } from '../../support/small-disk.ts';
import { eventually, startStage, VENDOR, type Stage } from '../../support/start-stage.ts';
import { startTcpRelay } from '../../support/tcp-relay.ts';
import {
  brokenParts,
  deliverBoth,
  isReady,
  newReader,
  nextPush,
  nothingIsLost,
  readyz,
} from './steps.ts';

const DAY_MSECS = 86_400_000;
const QUICK = { spool: { poll_interval: '500 msecs' } };

/** What a test opened, ended in reverse order. */
let closing: (() => Promise<unknown>)[];
let recorded: RecordedLog;

beforeEach(() => {
  closing = [];
  recorded = recordLog();
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
});

async function open(options: Parameters<typeof startStage>[0]): Promise<Stage> {
  const stage = await startStage({ log: recorded.log, ...options });
  closing.push(() => stage.close());
  return stage;
}

describe('a database that another process has locked', () => {
  for (const part of ['store', 'outbox'] as const) {
    it(`${part}: said, nothing lost, and over when the lock is`, async () => {
      const stage = await open({ config: QUICK });
      const reader = await newReader(stage);
      const file = part === 'store' ? 'state.db' : 'outbox.db';
      const unlock = await lockDatabase(join(stage.dovecot.layout.dir, file));
      closing.push(unlock);
      await deliverBoth(stage, reader);
      await deliverBoth(stage, reader);
      const broken = await brokenParts(stage);
      assert.deepEqual(Object.keys(broken), [part]);
      assert.match(broken[part] ?? '', /locked by another process/);
      if (part === 'store') {
        const entry = `${VENDOR}/coi/config/message-filter`;
        const { status } = await reader.client.setMetadata('', entry, 'seen');
        assert.equal(status, 'NO', 'what cannot be kept is refused');
      } else {
        assert.match(recorded.said('warn').join(), /it goes on without being waited for/);
      }
      await unlock();
      await isReady(stage);
      await deliverBoth(stage, reader);
      await nothingIsLost(reader);
    });
  }
});

describe('doveadm’s API', () => {
  for (const mode of ['cut', 'hang'] as const) {
    const what = mode === 'cut' ? 'refuses connections' : 'takes connections and says nothing';
    it(`${what}: said, nothing lost, and over when it is back`, async () => {
      const relay = await startTcpRelay();
      closing.push(() => relay.close());
      const url = `http://127.0.0.1:${relay.port}/doveadm/v1`;
      const stage = await open({
        config: { ...QUICK, doveadm: { url, timeout: '1 secs', socket: '' } },
      });
      relay.target = Number(new URL(stage.dovecot.doveadm.url).port);
      const reader = await newReader(stage);
      relay.mode = mode;
      await deliverBoth(stage, reader);
      await deliverBoth(stage, reader);
      // Chat needs no doveadm: its message passed the classify road.
      assert.equal((await nextPush(reader))['folder'], 'COI/Chats');
      const broken = await brokenParts(stage);
      assert.deepEqual(Object.keys(broken), ['doveadm']);
      assert.match(broken['doveadm'] ?? '', /doveadm API .* does not answer|no answer in time/);
      // After a while: the contacts that may be blocked are asked about first.
      await eventually(
        () => assert.match(recorded.said('warn').join(), /stays in the journal/),
        15_000,
      );
      relay.mode = 'pass';
      await isReady(stage);
      await nothingIsLost(reader);
    });
  }

  it('is slow: a delivery does not wait for it, and each is done once', async () => {
    const relay = await startTcpRelay();
    closing.push(() => relay.close());
    const url = `http://127.0.0.1:${relay.port}/doveadm/v1`;
    const stage = await open({
      config: { ...QUICK, doveadm: { url, timeout: '60 secs', socket: '' } },
    });
    relay.target = Number(new URL(stage.dovecot.doveadm.url).port);
    const reader = await newReader(stage);
    await deliverBoth(stage, reader); // it is known from now on that nobody is blocked
    await nothingIsLost(reader);
    relay.mode = 'hang'; // ends connections that were open
    relay.mode = 'hold';
    await deliverBoth(stage, reader);
    assert.equal((await nextPush(reader))['folder'], 'COI/Chats');
    const { journal } = stage.app.ground.outbox;
    assert.equal(journal.waiting(), 1, 'the ordinary message waits for its body');
    relay.mode = 'pass';
    await nothingIsLost(reader);
    await eventually(() => assert.equal(journal.waiting(), 0));
    const { events, logLines } = stage.app.ground.metrics;
    const { values: handled } = await events.get();
    const reports = handled.find(({ labels }) => labels.event === 'MessageNew')?.value;
    assert.equal(reports, reader.sent.length, 'each is handled once');
    const { values: lines } = await logLines.get();
    assert.ok(!lines.some(({ value }) => value > 0), 'none went to the event log');
  });
});

describe('doveadm’s API with metadata.source: doveadm', () => {
  it('says nothing: chat is delivered all the same, and filed and pushed when it is back', async () => {
    const relay = await startTcpRelay();
    closing.push(() => relay.close());
    const url = `http://127.0.0.1:${relay.port}/doveadm/v1`;
    const stage = await open({
      metadata: 'doveadm',
      config: { ...QUICK, doveadm: { url }, webpush: { cache_lifetime: '1 secs' } },
    });
    relay.target = Number(new URL(stage.dovecot.doveadm.url).port);
    const reader = await newReader(stage);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // the cache forgets the settings
    relay.mode = 'hang';
    await deliverBoth(stage, reader);
    relay.mode = 'pass';
    await isReady(stage);
    await nothingIsLost(reader);
    const fatal = stage.dovecot.errors().filter((line) => /Panic|Fatal/.test(line));
    assert.deepEqual(fatal, []);
  });
});

describe('the proxy', () => {
  it('is down: said, nothing lost, and over when it is back', async () => {
    let proxy: TestProxy = await startConnectProxy();
    const { url, port } = proxy;
    closing.push(() => proxy.close());
    const stage = await open({ config: { webpush: { proxy_url: url, timeout_msecs: 1_000 } } });
    const reader = await newReader(stage);
    await proxy.close();
    await deliverBoth(stage, reader);
    await eventually(async () => {
      assert.deepEqual(await brokenParts(stage), {
        proxy: 'the proxy for pushes does not answer; see webpush.proxy_url',
      });
    });
    assert.ok(recorded.lines.some((line) => line['outcome'] === 'proxy'));
    proxy = await startConnectProxy({ port });
    await nothingIsLost(reader);
    await isReady(stage);
  });

  it('wants other credentials: said to the administrator, nothing lost', async () => {
    const credentials = { username: 'coi', password: 'right' };
    let proxy: TestProxy = await startConnectProxy();
    const { url, port } = proxy;
    closing.push(() => proxy.close());
    const stage = await open({ config: { webpush: { proxy_url: url } } });
    const reader = await newReader(stage);
    await proxy.close();
    proxy = await startConnectProxy({ port, credentials });
    await deliverBoth(stage, reader);
    await eventually(async () => {
      assert.match((await brokenParts(stage))['proxy'] ?? '', /refuses our credentials/);
    });
    assert.match(recorded.said('error').join(), /check webpush.proxy_username/);
    await proxy.close();
    proxy = await startConnectProxy({ port });
    await nothingIsLost(reader);
    await isReady(stage);
  });
});

describe('the clock', () => {
  for (const [what, step] of [
    ['forward by two days', 2 * DAY_MSECS],
    ['back by two days', -2 * DAY_MSECS],
  ] as const) {
    it(`is set ${what}: said, and what is owed neither expires nor waits`, async () => {
      let ahead = 0;
      const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() };
      const stage = await open({ clock });
      const reader = await newReader(stage);
      const { answer } = reader.agent;
      reader.agent.answer = (response) => void response.writeHead(500).end();
      await deliverBoth(stage, reader);
      await eventually(() => {
        assert.ok(recorded.lines.some((line) => line['outcome'] === 'server-error'));
        assert.equal(stage.app.domain.delivery.levels().owed, 2);
      });
      ahead = step;
      reader.agent.answer = answer;
      await deliverBoth(stage, reader);
      await nothingIsLost(reader, { repeats: true });
      const report = await readyz(stage);
      assert.equal(report.status, 200, 'nothing is broken');
      assert.match(report.checks['clock'] ?? '', /^ok; the clock was set (forward|back) by 2 days/);
      assert.match(recorded.said('warn').join(), /the clock was set/);
    });
  }
});

describe('the directory of the event logs', { skip: noSmallDisks }, () => {
  it('cannot be written: said, nothing lost, and over when it can', async () => {
    const disk = mountSmallDisk();
    closing.push(() => {
      disk.unmount();
      return Promise.resolve();
    });
    const relay = await startTcpRelay();
    closing.push(() => relay.close());
    const url = `http://127.0.0.1:${relay.port}/doveadm/v1`;
    const stage = await open({
      eventsDir: join(disk.dir, 'events'),
      config: { ...QUICK, doveadm: { url, socket: '' } },
    });
    relay.target = Number(new URL(stage.dovecot.doveadm.url).port);
    const reader = await newReader(stage);
    disk.setWritable(false);
    await deliverBoth(stage, reader);
    await eventually(async () =>
      assert.match((await brokenParts(stage))['events'] ?? '', /events.dir .*EROFS/),
    );
    relay.mode = 'cut'; // now the journal is needed, too
    await deliverBoth(stage, reader);
    await eventually(async () =>
      assert.deepEqual(Object.keys(await brokenParts(stage)), ['doveadm', 'events']),
    );
    relay.mode = 'pass';
    disk.setWritable(true);
    await isReady(stage);
    await nothingIsLost(reader);
  });
});
