import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { findFreePort } from '../../src/cli/demo/find-free-port.ts';
import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';
import { startCountingProxy, type CountingProxy } from '../support/counting-proxy.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { recordLog, type RecordedLog } from '../support/record-log.ts';
import { startStage, VENDOR, type Stage, type StageOptions } from '../support/start-stage.ts';
import type { UserAgent } from '../support/user-agent.ts';
import {
  coiAccount,
  deliverTo,
  ENABLED,
  eventually,
  flagsIn,
  get,
  message,
  newAccount,
  set,
  settle,
  subscribe,
  userScript,
  type Account,
} from './conformance/steps.ts';

const HTTP_NOTIFY = `${VENDOR}/http-notify`;

const chat = (id: string): Buffer =>
  message(
    [
      'From: =?utf-8?q?=C3=84lice?= <Alice@Example.org>',
      'Subject: Chat:',
      ' =?utf-8?q?p=C3=A4iv=C3=A4=C3=A4?=',
      'Date: Mon, 4 Dec 2023 15:51:37 +0100',
      `Message-ID: <chat$${id}@example.org>`,
      'Chat-Version: 1.0',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
    ],
    'Hej! 🥗\r\n',
  );

const invoice = (id: string): Buffer =>
  message(
    [
      'From: Joerg <joerg@example.net>',
      'Subject: =?utf-8?q?F=C3=A4llig?=',
      'Date: Tue, 5 Dec 2023 09:00:00 +0000',
      `Message-ID: <${id}@example.net>`,
    ],
    'Please pay.\r\n',
  );

/** A stage whose Dovecot reaches the sidecar through something that counts. */
interface OxStage extends Stage {
  proxy: CountingProxy;
  recorded: RecordedLog;
  /** Requests of the driver so far. */
  told(): number;
}

async function startOxStage(version: DovecotVersion, options: StageOptions = {}): Promise<OxStage> {
  await using starting = new AsyncDisposableStack();
  const proxy = starting.use(await startCountingProxy());
  const port = await findFreePort();
  proxy.target = `http://127.0.0.1:${port}`;
  const recorded = recordLog();
  const stage = await startStage({
    version,
    events: 'ox',
    log: recorded.log,
    sidecar: { url: proxy.url, token: 'a-token-that-is-long-enough' },
    ...options,
    config: {
      ...options.config,
      http: {
        listen: `127.0.0.1:${port}`,
        token: 'a-token-that-is-long-enough',
      },
    },
  });
  const close = stage.close.bind(stage);
  starting.defer(close);
  const owned = starting.move();
  return Object.assign(stage, {
    proxy,
    recorded,
    told: () => proxy.requests.filter((line) => line === 'PUT /v1/ox-events').length,
    close: () => owned.disposeAsync(),
  });
}

for (const { version, skip } of dovecotVersions) {
  describe(`Dovecot ${version} without Lua: events by the ox driver`, { skip }, () => {
    let stage: OxStage;
    const teardown = createTeardown();
    before(async () => {
      stage = await startOxStage(version);
      teardown.defer(() => stage.close());
    });

    async function reader(filter?: 'none' | 'active', msgtype = 'all') {
      const account: Account =
        filter === undefined ? await newAccount(stage) : await coiAccount(stage, filter);
      const agent = await stage.userAgent();
      await subscribe(account.client, agent, { msgtype });
      return { ...account, agent };
    }

    const chatPush = (id: string, folder: string, uid = 1) => ({
      'from-email': 'alice@example.org',
      'from-name': 'Älice',
      subject: 'Chat: päivää',
      content: 'Hej! 🥗\n',
      date: '2023-12-04T15:51:37+01:00',
      'msg-id': `chat$${id}@example.org`,
      uid,
      uidvalidity: 'number',
      folder,
    });
    const invoicePush = (id: string, folder: string, uid = 1) => ({
      'from-email': 'joerg@example.net',
      'from-name': 'Joerg',
      subject: 'Fällig',
      content: 'Please pay.\n',
      date: '2023-12-05T09:00:00+00:00',
      'msg-id': `${id}@example.net`,
      uid,
      uidvalidity: 'number',
      folder,
    });
    async function assertPush(agent: UserAgent, expected: Record<string, unknown>): Promise<void> {
      const { payload } = await agent.next(20_000);
      const shown = { ...payload, uidvalidity: typeof payload['uidvalidity'] };
      assert.deepEqual(shown, expected);
    }

    /** Dovecot's log process may be a moment behind. */
    const isSaid = (line: RegExp): Promise<void> =>
      eventually(() => assert.match(stage.dovecot.errors().join('\n'), line), 10_000);

    it('chat that Sieve files: in Chats with $Chat, and pushed with all fields', async () => {
      const { user, client, agent } = await reader('active');
      const before = stage.told();
      await deliverTo(stage, user, chat('filed'));
      await assertPush(agent, chatPush('filed', 'COI/Chats'));
      assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
      assert.deepEqual(await flagsIn(client, 'INBOX'), []);
      assert.equal(stage.told(), before, 'the driver watches INBOX only');
    });

    it('chat that stays in INBOX: pushed as chat, with all fields', async () => {
      const { user, client, agent } = await reader('none', 'chat');
      await deliverTo(stage, user, invoice('no-chat'));
      await deliverTo(stage, user, chat('stays'));
      await assertPush(agent, chatPush('stays', 'INBOX', 2));
      assert.deepEqual(await flagsIn(client, 'INBOX'), [[], ['$Chat']]);
      await settle(stage);
      assert.equal(agent.waiting, 0, 'ordinary mail is not for this subscription');
    });

    it('ordinary mail: pushed with all fields, without COI too', async () => {
      const { user, agent } = await reader(undefined, 'mail');
      await deliverTo(stage, user, invoice('ordinary'));
      await assertPush(agent, invoicePush('ordinary', 'INBOX'));
    });

    it('a user with neither COI nor a subscription causes no request', async () => {
      const { user, client } = await newAccount(stage);
      const before = stage.told();
      await deliverTo(stage, user, invoice('nobody'));
      await deliverTo(stage, user, chat('nobody'));
      assert.equal((await flagsIn(client, 'INBOX')).length, 2);
      assert.equal(stage.told(), before);
      // The same user, once there is something to tell.
      await set(client, ENABLED, 'yes');
      await deliverTo(stage, user, invoice('somebody'));
      assert.equal(stage.told(), before + 1);
      await set(client, ENABLED, null);
      await deliverTo(stage, user, invoice('nobody-again'));
      assert.equal(stage.told(), before + 1);
    });

    it('http-notify: answered, not listed; one that was stored wins and passes through', async () => {
      const { user, client, agent } = await reader('active');
      const other = await newAccount(stage);
      assert.equal(await get(other.client, HTTP_NOTIFY), null);
      assert.equal(await get(client, HTTP_NOTIFY), `user=${user}`);
      const list = async () =>
        [...(await client.getMetadata('', [VENDOR], 'infinity')).keys()].filter((name) =>
          name.includes('http-notify'),
        );
      assert.deepEqual(await list(), []);

      await set(client, HTTP_NOTIFY, 'user=11@3');
      assert.equal(await get(client, HTTP_NOTIFY), 'user=11@3');
      assert.deepEqual(await list(), [HTTP_NOTIFY]);
      await deliverTo(stage, user, invoice('open-xchange'));
      await assertPush(agent, invoicePush('open-xchange', 'INBOX'));

      await set(client, HTTP_NOTIFY, null);
      assert.equal(await get(client, HTTP_NOTIFY), `user=${user}`);
    });

    it('mail that a user’s own Sieve script files elsewhere is not reported', async () => {
      const { user, client, agent } = await reader('active');
      await client.ok('CREATE Elsewhere');
      await userScript(stage, user, 'require "fileinto"; fileinto "Elsewhere";');
      await deliverTo(stage, user, invoice('elsewhere'));
      await deliverTo(stage, user, chat('not-elsewhere'));
      await assertPush(agent, chatPush('not-elsewhere', 'COI/Chats'));
      assert.equal((await flagsIn(client, 'Elsewhere')).length, 1);
      assert.equal(agent.waiting, 0);
    });

    it('while the sidecar is away: mail is delivered and a line logged; on return it is put right', async () => {
      const { user, client, agent } = await reader('active');
      await deliverTo(stage, user, invoice('before'));
      await assertPush(agent, invoicePush('before', 'INBOX'));
      // Otherwise it would be seen as having come while nobody was here, and be told apart by its key only.
      await client.ok('SELECT INBOX');

      await stage.app.stop();
      await deliverTo(stage, user, chat('away'));
      await deliverTo(stage, user, invoice('away'));
      await deliverTo(stage, user, invoice('away-but-read'));
      await isSaid(/push-notification-ox: Skipped because unable to get attribute/);
      await client.ok('NOOP');
      assert.deepEqual(await flagsIn(client, 'INBOX'), [[], ['$Chat'], [], []]);
      await client.ok('SELECT INBOX');
      await client.ok('STORE 4 +FLAGS (\\Seen)');

      await stage.restart();
      const pushes = [await agent.next(30_000), await agent.next(30_000)];
      assert.deepEqual(
        pushes
          .map(({ payload }) => [payload['msg-id'], payload['folder'], payload['content']])
          .sort(),
        [
          ['away@example.net', 'INBOX', 'Please pay.\n'],
          ['chat$away@example.org', 'COI/Chats', 'Hej! 🥗\n'],
        ],
      );
      await eventually(async () => {
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
        assert.equal((await flagsIn(client, 'INBOX')).length, 3);
      });
      await settle(stage);
      await deliverTo(stage, user, invoice('after'));
      await assertPush(agent, invoicePush('after', 'INBOX', 5));
      assert.equal(agent.waiting, 0, 'nothing is pushed twice, nor what was read meanwhile');
    });

    it('when only the HTTP service is away, the line says so', async () => {
      const { user } = await coiAccount(stage, 'active');
      const { target } = stage.proxy;
      stage.proxy.target = 'http://127.0.0.1:9';
      await deliverTo(stage, user, invoice('refused'));
      stage.proxy.target = target;
      await isSaid(/push-notification-ox: Error when sending notification: (?!401)/);
    });

    it('a wrong token: mail is delivered, and both logs say what is wrong', async () => {
      const { user, client } = await coiAccount(stage, 'active');
      const url = stage.proxy.url.replace('//', '//dovecot:wrong@') + '/v1/ox-events';
      await stage.dovecot.reconfigure(
        version === '2.3'
          ? `plugin {\n  push_notification_driver = ox:url=${url}\n}\n`
          : `push_notification coi {\n  ox_url = ${url}\n}\n`,
      );
      await eventually(async () => {
        await deliverTo(stage, user, invoice('unauthorised'));
        assert.match(
          stage.dovecot.errors().join('\n'),
          /push-notification-ox: Error when sending notification: 401/,
        );
      }, 30_000);
      assert.ok((await flagsIn(client, 'INBOX')).length > 0);
      assert.match(
        stage.recorded.said('warn').join('\n'),
        /wrong token refused; .*must equal http\.token/,
      );
      await stage.dovecot.reconfigure('');
    });
  });

  describe(`Dovecot ${version} without Lua, metadata.source doveadm`, { skip }, () => {
    it('the admin sets http-notify, for whom mail is then reported', async () => {
      const stage = await startOxStage(version, { metadata: 'doveadm' });
      try {
        const { user, client } = await newAccount(stage);
        await set(client, ENABLED, 'yes');
        const agent = await stage.userAgent();
        await set(
          client,
          `${VENDOR}/webpush/subscriptions/a-subscription`,
          JSON.stringify({ client: 'c', device: 'd', msgtype: 'all', resource: agent.resource }),
        );
        const validation = String((await agent.next(20_000)).payload['validation']);
        const path = `${VENDOR}/webpush/subscriptions/a-subscription/validate`;
        await set(client, path, validation);
        await eventually(async () => {
          assert.equal(await stage.app.domain.subscriptions.wantsAny(user), true);
        }, 20_000);

        await deliverTo(stage, user, invoice('not-yet'));
        assert.equal(stage.told(), 0);
        const { exitCode } = await stage.dovecot.runDoveadm([
          ...['mailbox', 'metadata', 'set', '-u', user, '-s', ''],
          ...[HTTP_NOTIFY, 'user=coi'],
        ]);
        assert.equal(exitCode, 0);
        await deliverTo(stage, user, invoice('now'));
        assert.equal((await agent.next(20_000)).payload['msg-id'], 'now@example.net');
        assert.equal(stage.told(), 1);
      } finally {
        await stage.close();
      }
    });
  });
}
