/**
 * One contract for both kinds of `metadata.source`: what clients and administrators may rely on
 * whoever keeps the annotations. Where the kinds differ, the difference is the answer that the client
 * gets and when a change shows; the table in docs/metadata-source.md has a row for each, and its test here.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { createLogger } from '../../src/logging.ts';
import { openStore } from '../../src/stores/open-store.ts';
import { subscriptionKey } from '../../src/webpush/subscriptions/subscription-record.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import { answerWith } from '../support/push-service.ts';
import {
  chat,
  CONFIG,
  deliverTo,
  ENABLED,
  FILTER,
  get,
  listed,
  MAILBOX_ROOT,
  newAccount,
  newId,
  pathOf,
  register,
  set,
  SUBSCRIPTIONS,
  subscribe,
  subscribed,
  subscription,
  VAPID,
  type Account,
} from './conformance/steps.ts';

const LIMIT = 2;
/** Rows of that table that have a test here. */
const rows = new Set<string>();
const row = (name: string): string => {
  rows.add(name);
  return name;
};

for (const source of ['dict', 'doveadm'] as const) {
  describe(`metadata.source ${source}`, () => {
    let stage: Stage;
    const teardown = createTeardown();
    before(async () => {
      stage = await startStage({
        metadata: source,
        config: {
          webpush: { cache_lifetime: '1 secs', subscription_limit: LIMIT },
          abuse: { refusals: 100 },
        },
      });
      teardown.defer(() => stage.close());
    });

    /** What the client is told of a change that breaks a rule; it has no effect either way. */
    const REFUSAL = source === 'dict' ? 'NO' : 'OK';
    const attempt = async ({ client }: Account, entry: string, value: string | null) => {
      assert.equal((await client.setMetadata('', entry, value)).status, REFUSAL, entry);
    };
    const inEffect = ({ user }: Account, enabled: boolean, messageFilter = 'none') =>
      eventually(async () => {
        const settings = await stage.app.flows.source.settings(user);
        assert.deepEqual(settings, { enabled, messageFilter });
      });
    const idsInUse = async ({ user }: Account): Promise<string[]> => {
      const all = await stage.app.domain.subscriptions.list(user);
      return all.map(({ id }) => id).sort();
    };
    const isValidated = ({ user }: Account, id: string) =>
      eventually(async () => {
        const [own] = (await stage.app.domain.subscriptions.list(user)).filter(
          (one) => one.id === id,
        );
        assert.equal(own?.subscription.validated, true);
      });
    const enabledAccount = async (): Promise<Account> => {
      const account = await newAccount(stage);
      await set(account.client, ENABLED, 'yes');
      await inEffect(account, true);
      return account;
    };

    it(row('where annotations live'), async () => {
      const account = await enabledAccount();
      const inStore = await stage.app.ground.store.get(account.user, 'coi/config/enabled');
      assert.equal(inStore?.toString(), 'yes');
      await stage.app.stop();
      const { status } = await account.client.command(`GETMETADATA "" (${ENABLED})`);
      assert.equal(status, source === 'dict' ? 'NO' : 'OK', 'without the sidecar');
      await stage.restart();
      // Dovecot connects again a moment later only.
      await eventually(async () => assert.equal(await get(account.client, ENABLED), 'yes'));
      await inEffect(account, true);
    });

    it(row('an invalid value'), async () => {
      const account = await newAccount(stage);
      await set(account.client, FILTER, 'active');
      await inEffect(account, false, 'active');
      await attempt(account, ENABLED, 'true');
      await attempt(account, FILTER, 'Seen');
      await inEffect(account, false, source === 'dict' ? 'active' : 'none');
    });

    it(row('a subscription over the limit'), async () => {
      const account = await newAccount(stage);
      const used: string[] = [];
      for (let count = 0; count < LIMIT; count++) {
        used.push(await subscribe(account.client, await stage.userAgent()));
        await eventually(async () => assert.equal((await idsInUse(account)).length, used.length));
      }
      const surplus = newId();
      const agent = await stage.userAgent();
      await attempt(account, pathOf(surplus), subscription(agent));
      await eventually(async () => {
        assert.equal(await get(account.client, pathOf(surplus)), null, 'it is gone for the client');
      });
      assert.deepEqual(await idsInUse(account), used.sort());
      assert.equal(agent.waiting, 0, 'nothing was pushed to it');
    });

    it(row('a wrong or late validation'), async () => {
      const account = await newAccount(stage);
      const id = newId();
      const token = await register(account.client, await stage.userAgent(), {}, id);
      await attempt(account, `${pathOf(id)}/validate`, `${token}x`);
      await eventually(async () =>
        assert.equal((await listed(account.client, id))?.['validated'], false),
      );
      await set(account.client, `${pathOf(id)}/validate`, token);
      await eventually(async () =>
        assert.equal((await listed(account.client, id))?.['validated'], true),
      );
    });

    it(row('folders exist'), async () => {
      const account = await newAccount(stage);
      await set(account.client, ENABLED, 'yes');
      const made = async (): Promise<void> =>
        assert.deepEqual(
          [...(await subscribed(account.client)), ...(await subscribed(account.client, 'Blocked'))],
          ['COI/Chats', 'COI/Contacts', 'Blocked'],
        );
      if (source === 'dict') await made();
      else await eventually(made);
    });

    it(row('`mailbox-root` and the VAPID key'), async () => {
      const account = await newAccount(stage);
      const shown = async (): Promise<void> => {
        assert.equal(await get(account.client, MAILBOX_ROOT), 'COI');
        assert.match((await get(account.client, VAPID)) ?? '', /^-----BEGIN PUBLIC KEY-----/);
      };
      // Any metadata command will do: the first look asks for them.
      if (source === 'dict') await shown();
      else await eventually(shown);
      const key = await get(account.client, VAPID);
      for (const entry of [MAILBOX_ROOT, VAPID]) await attempt(account, entry, 'mine');
      await eventually(async () => {
        assert.equal(await get(account.client, MAILBOX_ROOT), 'COI');
        assert.equal(await get(account.client, VAPID), key, 'the same one as before');
      });
    });

    it(row('other plugins’ annotations'), async () => {
      const { client, user } = await enabledAccount();
      const value = 'tab\there, line\r\nends, "quotes" and \u{1f957}';
      for (const [mailbox, entry] of [
        ['', '/private/vendor/vendor.dovecot/other/entry'],
        ['', '/private/comment'],
        ['INBOX', '/private/comment'],
      ] as const) {
        assert.equal((await client.setMetadata(mailbox, entry, value)).status, 'OK');
        await stage.app.flows.source.publish(user);
        assert.equal((await client.getMetadata(mailbox, [entry])).get(entry), value);
        assert.equal((await client.setMetadata(mailbox, entry, null)).status, 'OK');
        assert.equal((await client.getMetadata(mailbox, [entry])).get(entry) ?? null, null);
      }
    });

    it('shows a subscription as the specification has it, and never its validation text', async () => {
      const account = await newAccount(stage);
      const id = newId();
      const token = await register(account.client, await stage.userAgent(), { extra: 1 }, id);
      await eventually(async () => {
        const shown = await listed(account.client, id);
        assert.deepEqual(Object.keys(shown ?? {}), [
          ...['created', 'validated', 'client', 'device', 'msgtype', 'resource'],
        ]);
      });
      const all = await account.client.getMetadata('', [SUBSCRIPTIONS], 'infinity');
      assert.deepEqual([...all.keys()], [pathOf(id)]);
      assert.ok(![...all.values()].join().includes(token));
    });

    it('follows NIL: COI is disabled, a subscription removed', async () => {
      const account = await enabledAccount();
      const id = await subscribe(account.client, await stage.userAgent());
      // Until the service has written its own word: Dovecot has no way to compare and set.
      await eventually(async () =>
        assert.equal((await listed(account.client, id))?.['validated'], true),
      );
      await set(account.client, ENABLED, null);
      await set(account.client, pathOf(id), null);
      await inEffect(account, false);
      await eventually(async () => assert.deepEqual(await idsInUse(account), []));
      const names = [...(await account.client.getMetadata('', [CONFIG], '1')).keys()];
      assert.deepEqual(names, [MAILBOX_ROOT]);
    });

    it('follows what an administrator sets with doveadm', async () => {
      const account = await newAccount(stage);
      const doveadm = (...args: string[]) =>
        stage.dovecot.runDoveadm([
          'mailbox',
          'metadata',
          args[0]!,
          '-u',
          account.user,
          ...args.slice(1),
        ]);
      await doveadm('set', '-s', '', FILTER, 'seen');
      await doveadm('set', '-s', '', ENABLED, 'yes');
      await inEffect(account, true, 'seen');
      const { stdout } = await doveadm('get', '-s', '', ENABLED);
      assert.match(stdout, /yes/);
      await doveadm('unset', '-s', '', ENABLED);
      await inEffect(account, false, 'seen');
    });

    it('shows clients what mailboxes say: Chats made enables, Chats deleted disables', async () => {
      const account = await newAccount(stage);
      await account.client.ok('CREATE COI/Chats');
      await eventually(async () => assert.equal(await get(account.client, ENABLED), 'yes'));
      await inEffect(account, true);
      await account.client.ok('DELETE COI/Chats');
      await eventually(async () => assert.equal(await get(account.client, ENABLED), null));
      await inEffect(account, false);
    });

    it('shows clients that a push service has given a subscription up', async () => {
      const account = await enabledAccount();
      const agent = await stage.userAgent();
      const id = await subscribe(account.client, agent);
      await isValidated(account, id);
      agent.answer = answerWith(410);
      await deliverTo(stage, account.user, chat('Subject: to nobody'));
      await eventually(async () => assert.equal(await get(account.client, pathOf(id)), null));
    });

    it('shows clients later what could not be shown when it came about', async () => {
      const account = await enabledAccount();
      const agent = await stage.userAgent();
      const id = await subscribe(account.client, agent);
      await isValidated(account, id);
      await stage.app.stop();
      // Taken away by someone else's process: an administrator's, say, that could not reach Dovecot.
      const store = await openStore(`sqlite:${join(stage.dovecot.layout.dir, 'state.db')}`, {
        log: createLogger('silent'),
      });
      await store.commit(account.user, [{ op: 'unset', key: subscriptionKey(id) }]);
      await store.close();
      await stage.restart();
      await eventually(async () => {
        // Dovecot connects again a moment later only; and the first look is what brings it about.
        assert.equal(await get(account.client, pathOf(id)).catch(() => undefined), null);
      });
    });
  });
}

describe('docs/metadata-source.md', () => {
  it('has a row in the table of sources for each difference that is tested here, and no other', () => {
    const page = readFileSync(new URL('../../docs/metadata-source.md', import.meta.url), 'utf8');
    const table = /^\| +\| `dict` .*\n\|[- |]+\n((?:\|.*\n)+)/m.exec(page)?.[1] ?? '';
    const names = [...table.matchAll(/^\| (.+?) +\|/gm)].map(([, name]) => name);
    assert.deepEqual(names, [...rows]);
  });
});
