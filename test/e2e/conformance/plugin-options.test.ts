import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { conformance } from '../../support/conformance.ts';
import { makeTempDir } from '../../stores/make-temp-dir.ts';
import { startStage, type Stage, type StageOptions } from '../../support/start-stage.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  eventually,
  get,
  mail,
  mailboxes,
  MAILBOX_ROOT,
  newAccount,
  newId,
  pathOf,
  set,
  steppedClock,
  subscribe,
  subscription,
  VAPID,
} from './steps.ts';

/** The record of an ordinary push: all that it is encrypted with, besides the text (RFC 8188, RFC 8291). */
const OVERHEAD = 86 + 1 + 16;
const TIMEOUT_MSECS = 1_000;
const rawlogs = makeTempDir();
const options: StageOptions = {
  config: {
    webpush: {
      max_retries: 3,
      timeout_msecs: TIMEOUT_MSECS,
      vapid_curve: 'secp384r1',
      padding: 'yes',
      rawlog_dir: join(rawlogs.path, '%u'),
    },
    coi: { mailbox_root: 'Talk' },
  },
};

conformance(import.meta.url, 'plugin-manual', options, ({ stage, section }) => {
  /** Another stage for what one option needs; closed when the test is over. */
  async function on<T>(given: StageOptions, work: (other: Stage) => Promise<T>): Promise<T> {
    const other = await startStage({ version: stage().dovecot.version, ...given });
    return work(other).finally(() => other.close());
  }

  section('Webpush configuration', (sentence) => {
    sentence(
      'rule',
      '`webpush_subscription_expire` (5 min) sets how fast subscriptions have to be validated; `webpush_subscription_limit` (10) sets how many subscriptions a user can have simultaneously.',
      '`webpush.subscription_expire` and `webpush.subscription_limit`; for the first the time counts from when the push service took the validation push',
      async () => {
        const clock = steppedClock();
        const webpush = { subscription_expire: '10 secs', subscription_limit: 2 };
        await on({ clock, config: { webpush } }, async (other) => {
          const { client } = await newAccount(other);
          const agent = await other.userAgent();
          const id = await subscribe(client, agent);
          await set(client, pathOf(newId()), subscription(agent));
          const { status } = await client.setMetadata('', pathOf(newId()), subscription(agent));
          assert.equal(status, 'NO', 'the third');
          clock.step(10_001);
          await other.app.domain.subscriptions.sweep();
          await set(client, pathOf(newId()), subscription(agent));
          assert.notEqual(await get(client, pathOf(id)), null, 'what is validated stays');
        });
      },
    );

    sentence(
      'rule',
      '`webpush_vapid_curve` sets which EC curve is used for VAPID keys. Supported values are `prime256v1`, `secp384r1` and `secp521r1`.',
      '`webpush.vapid_curve`, for keys that are made from then on: one that clients know stays',
      async () => {
        const curveOf = async (on: Stage): Promise<string | undefined> => {
          const pem = await get((await newAccount(on)).client, VAPID);
          return createPublicKey(pem ?? '').asymmetricKeyDetails?.namedCurve;
        };
        assert.equal(await curveOf(stage()), 'secp384r1');
        await on({ config: { webpush: { vapid_curve: 'secp521r1' } } }, async (other) => {
          assert.equal(await curveOf(other), 'secp521r1');
        });
      },
    );

    sentence(
      'rule',
      '`cache_lifetime` (default: 1 min) sets how long the user’s webpush subscriptions are internally cached in memory before they are again refreshed from the attributes dictionary.',
      {
        instead:
          'with `metadata.source: dict` nothing has to be cached: a change holds at once. With `doveadm` it is `webpush.cache_lifetime`, cut short when Dovecot tells of a change',
      },
      async () => {
        const isEnabled = async (other: Stage, user: string): Promise<boolean> =>
          (await other.app.flows.source.settings(user)).enabled;
        const enable = async (other: Stage, user: string): Promise<void> => {
          const entry = '/private/vendor/vendor.dovecot/coi/config/enabled';
          const args = ['mailbox', 'metadata', 'set', '-u', user, '-s', '', entry, 'yes'];
          assert.equal((await other.dovecot.runDoveadm(args)).exitCode, 0);
        };
        const { user } = await newAccount(stage());
        assert.equal(await isEnabled(stage(), user), false);
        await enable(stage(), user);
        assert.equal(await isEnabled(stage(), user), true, 'at once');

        const config = { webpush: { cache_lifetime: '5 secs' } };
        await on({ metadata: 'doveadm', notices: false, config }, async (other) => {
          const { user: cached } = await newAccount(other);
          assert.equal(await isEnabled(other, cached), false);
          await enable(other, cached);
          assert.equal(await isEnabled(other, cached), false, 'as it was read');
          await eventually(async () => assert.ok(await isEnabled(other, cached)), 30_000);
        });
      },
    );

    sentence(
      'rule',
      '`max_retries` (default: 1) sets the number of retries for a webpush HTTP notification before giving up.',
      {
        instead:
          '`webpush.max_retries` is how often it is tried again within moments; it is not given up then, but tried with growing delays until `webpush.message_ttl` is over',
      },
      async () => {
        const { user, client } = await newAccount(stage());
        const agent = await stage().userAgent();
        await subscribe(client, agent);
        let refusals = 3;
        agent.answer = (response) => void response.writeHead(refusals-- > 0 ? 503 : 201).end();
        await deliverTo(stage(), user, mail('Subject: tried four times'));
        for (let times = 0; times < 4; times++) {
          assert.equal((await agent.next(5_000)).payload['subject'], 'tried four times');
        }
        await on({ config: { webpush: { max_retries: 0 } } }, async (other) => {
          const { user: reader, client: own } = await newAccount(other);
          const slow = await other.userAgent();
          await subscribe(own, slow);
          slow.answer = (response) => void response.writeHead(503).end();
          await deliverTo(other, reader, mail());
          await slow.next();
          await assert.rejects(slow.next(2_000), /no push came/); // the next try is 2.5 s away at least
          assert.equal(other.app.domain.delivery.levels().owed, 1, 'it is still owed');
        });
      },
    );

    sentence(
      'rule',
      '`timeout_msecs` (default: 2000) sets how long to wait for webpush HTTP notification to finish before giving up.',
      '`webpush.timeout_msecs`; a SETMETADATA waits no longer for its validation push',
      async () => {
        const { client } = await newAccount(stage());
        const silent = await stage().userAgent();
        silent.answer = () => undefined;
        const start = performance.now();
        await set(client, pathOf(newId()), subscription(silent));
        const took = performance.now() - start;
        assert.ok(took > TIMEOUT_MSECS * 0.9 && took < TIMEOUT_MSECS + 5_000, `${took} ms`);
      },
    );

    sentence(
      'rule',
      '`rawlog_dir` (default: none) sets the directory where to write webpush HTTP traffic rawlog files. The directory must exist and be writable.',
      '`webpush.rawlog_dir`, with `%u`; endpoint and signature are masked. A user whose directory does not exist has none',
      async () => {
        const [watched, other] = [await newAccount(stage()), await newAccount(stage())];
        const dir = join(rawlogs.path, watched.user);
        await mkdir(dir);
        const agent = await stage().userAgent();
        await subscribe(other.client, agent);
        await subscribe(watched.client, agent);
        const text = await eventually(async () => {
          const [name] = await readdir(dir);
          assert.ok(name, 'a file');
          return readFile(join(dir, name), 'latin1');
        });
        assert.match(text, /^POST /m);
        assert.match(text, /^HTTP\/1\.1 201/m);
        assert.ok(!text.includes(new URL(agent.resource.endpoint).pathname));
        assert.ok(!(await readdir(rawlogs.path)).includes(other.user));
      },
    );

    sentence(
      'rule',
      '`padding` (default: no) sets whether to pad webpush messages to the next 1 kB boundary when encrypting it.',
      '`webpush.padding`; what would not fit then is cut a little shorter',
      async () => {
        const { user, client } = await newAccount(stage());
        const agent = await stage().userAgent();
        await subscribe(client, agent);
        for (const [octets, padded] of [
          [1, 1_024],
          [1_000, 2_048],
        ] as const) {
          await deliverTo(
            stage(),
            user,
            mail(`Subject: ${'x'.repeat(90)}`, '', 'y'.repeat(octets)),
          );
          assert.equal((await agent.next()).body.length - OVERHEAD + 1, padded);
        }
      },
    );

    sentence(
      'rule',
      '`proxy_url` (default: none) sets the url path for proxying webpush requests; `proxy_username` and `proxy_password` set what is used to authenticate with the set proxy server.',
      '`webpush.proxy_url`, `webpush.proxy_username`, `webpush.proxy_password`; every push goes through it, none past it',
      async () => {
        const credentials = { username: 'pushes', password: 'a secret: with a colon' };
        const proxy = await startConnectProxy({ credentials });
        const webpush = {
          proxy_url: proxy.url,
          proxy_username: credentials.username,
          proxy_password: credentials.password,
        };
        try {
          await on({ config: { webpush } }, async (other) => {
            const { client } = await newAccount(other);
            const agent = await other.userAgent();
            await subscribe(client, agent);
            const { host } = new URL(agent.resource.endpoint);
            assert.deepEqual(
              [...new Set(proxy.requests.map(({ authority }) => authority))],
              [host],
            );
          });
          const wrong = { ...webpush, proxy_password: 'wrong' };
          await on({ config: { webpush: wrong } }, async (other) => {
            const { client } = await newAccount(other);
            const agent = await other.userAgent();
            await set(client, pathOf(newId()), subscription(agent));
            await assert.rejects(agent.next(1_500), /no push came/);
          });
        } finally {
          await proxy.close();
        }
      },
    );
  });

  section('COI configuration', (sentence) => {
    sentence(
      'rule',
      '`coi_mailbox_root` configures where the plugin creates Chat and Contacts folders.',
      '`coi.mailbox_root`; the folders are Chats and Contacts, and Blocked where it is needed',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        assert.equal(await get(client, MAILBOX_ROOT), 'Talk');
        const made = await mailboxes(client, 'Talk/*');
        for (const name of ['Talk/Chats', 'Talk/Contacts']) assert.ok(made.includes(name), name);
        await deliverTo(stage(), user, chat());
        const { untagged } = await client.ok('STATUS Talk/Chats (MESSAGES)');
        assert.match(untagged.join(), /MESSAGES 1/);
        assert.deepEqual(await mailboxes(client, 'COI/*'), []);
      },
    );
  });
});
