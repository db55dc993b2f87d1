import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SHARED_OWNER } from '../../../src/metadata/own-entry.ts';
import { readSettings } from '../../../src/coi/settings.ts';
import {
  ID,
  OTHER_ID,
  subscriptionJson,
  tokenOf,
} from '../../webpush/subscriptions/subscription-fixtures.ts';
import {
  CHATS,
  createImportRig,
  entry,
  INBOX,
  makeKey,
  OLD_INBOX,
  pluginKey,
  pluginSubscription,
  serverEntry,
  USER,
  vapidEntry,
} from './import-rig.ts';

const NOTHING = { added: 0, changed: 0, unchanged: 0, kept: 0 };
const isChat = true;

describe('an import', () => {
  it('keeps what is not ours byte by byte under its own key', async () => {
    const { importAll, store } = createImportRig();
    const foreign = [
      entry(`priv/${INBOX}/comment`, Buffer.from([0xff, 0x00, 0x0a, 0x01])),
      entry(`priv/${INBOX}/vendor/vendor.dovecot/pvt/crypt/privkeys/2a5d`, '2:1.3:0:00:2a5d'),
      entry(`priv/${INBOX}/vendor/vendor.dovecot/pvt/server/comment`, 'the server'),
      entry(`priv/${CHATS}/odd key/with "quotes"\t and ünïcode`, ''),
    ];
    const report = await importAll(foreign);
    assert.deepEqual(report.annotations, { ...NOTHING, added: 4 });
    for (const { key, value } of foreign) assert.deepEqual(await store.get(USER, key), value, key);
  });

  it('puts shared entries where every user finds them', async () => {
    const { importAll, store } = createImportRig();
    const key = `shared/${CHATS}/vendor/vendor.dovecot/pvt/crypt/active`;
    await importAll([entry(key, 'b6d6')]);
    assert.equal(String(await store.get(SHARED_OWNER, key)), 'b6d6');
    assert.equal(await store.get(USER, key), undefined);
  });

  it('changes nothing the second time, and commits nothing', async () => {
    const rig = createImportRig();
    const dict = [
      entry(`priv/${INBOX}/comment`, 'x'),
      entry(`shared/${INBOX}/comment`, 'y'),
      entry(serverEntry('coi/config/enabled'), 'yes'),
      entry(pluginKey(`subscriptions/${ID}`), pluginSubscription()),
      vapidEntry(makeKey()),
    ];
    await rig.importAll(dict);
    const commits = rig.store.commits.length;
    const second = await rig.importAll(dict);
    assert.equal(rig.store.commits.length, commits);
    assert.deepEqual(second.annotations, { ...NOTHING, unchanged: 2 });
    assert.deepEqual(second.settings, { ...NOTHING, unchanged: 1 });
    assert.deepEqual(second.subscriptions, { ...NOTHING, unchanged: 1 });
    assert.equal(second.vapid, 'unchanged');
  });

  it('says all the same in a dry run, and changes nothing', async () => {
    const rig = createImportRig();
    const dict = [
      entry(`priv/${INBOX}/comment`, 'x'),
      entry(`shared/${INBOX}/comment`, 'y'),
      entry(serverEntry('coi/config/enabled'), 'yes'),
      entry(serverEntry('coi/config/message-filter'), 'sometimes'),
      entry(pluginKey(`subscriptions/${ID}`), pluginSubscription()),
      vapidEntry(makeKey()),
    ];
    const dry = await rig.importAll(dict, { dryRun: true });
    assert.equal(rig.store.commits.length, 0);
    assert.equal(await rig.vapidKeys.find(USER), undefined);
    const wet = await rig.importAll(dict);
    assert.deepEqual({ ...dry, dryRun: false }, wet);
    assert.equal(wet.skipped, 1);
  });

  it('leaves another value alone unless told to overwrite', async () => {
    const { importAll, store } = createImportRig();
    const key = `priv/${INBOX}/comment`;
    await importAll([entry(key, 'newer, by a client')]);
    const kept = await importAll([entry(key, 'older')]);
    assert.deepEqual(kept.annotations, { ...NOTHING, kept: 1 });
    assert.equal(String(await store.get(USER, key)), 'newer, by a client');
    const changed = await importAll([entry(key, 'older')], { overwrite: true });
    assert.deepEqual(changed.annotations, { ...NOTHING, changed: 1 });
    assert.equal(String(await store.get(USER, key)), 'older');
  });

  it('brings in COI’s settings, and names invalid ones without their value', async () => {
    const { importAll, store } = createImportRig();
    const report = await importAll([
      entry(serverEntry('coi/config/enabled'), 'yes'),
      entry(serverEntry('coi/config/message-filter'), 'ACTIVE'),
      entry(serverEntry('coi/config/mailbox-root'), 'COI'),
      entry(serverEntry('coi/config/nonsense'), '1'),
    ]);
    assert.deepEqual(await readSettings(store, USER), { enabled: true, messageFilter: 'none' });
    assert.deepEqual(report.settings, { ...NOTHING, added: 1 });
    assert.deepEqual(
      report.skippedEntries.map(({ key }) => key).sort(),
      [serverEntry('coi/config/message-filter'), serverEntry('coi/config/nonsense')].sort(),
    );
  });

  it('says when the mailbox root was another one', async () => {
    const { importAll } = createImportRig();
    const { skippedEntries } = await importAll([
      entry(serverEntry('coi/config/mailbox-root'), 'Chat'),
    ]);
    assert.match(skippedEntries[0]?.reason ?? '', /coi\.mailbox_root/);
  });

  it('leaves out what is no annotation at all', async () => {
    const { importAll, store } = createImportRig();
    const report = await importAll([entry('last-login/bob', '123'), entry('priv', 'x')]);
    assert.equal(report.skipped, 2);
    assert.equal(store.commits.length, 0);
  });

  it('leaves out a key that is longer than a store takes, and nothing else with it', async () => {
    const { importAll } = createImportRig();
    const key = `priv/${INBOX}/${'x'.repeat(65_536)}`;
    const report = await importAll([entry(key, 'x'), entry(`priv/${INBOX}/comment`, 'x')]);
    assert.equal(report.annotations.added, 1);
    assert.match(report.skippedEntries[0]?.reason ?? '', /longer/);
  });

  describe('of the C plugin’s subscriptions', () => {
    it('has validated ones in use at once, by the specification’s names', async () => {
      const { importAll, subscriptions } = createImportRig();
      const report = await importAll([
        entry(pluginKey(`subscriptions/${ID}`), pluginSubscription({ msgtype: 'email' })),
      ]);
      assert.deepEqual(report.subscriptions, { ...NOTHING, added: 1 });
      const [listed] = await subscriptions.list(USER);
      assert.equal(listed?.id, ID);
      assert.equal(listed.subscription.validated, true);
      assert.equal(listed.subscription.msgtype, 'mail');
      assert.equal(listed.subscription.created, '2019-10-16T16:14:17+02:00');
      const [target] = await subscriptions.forMessage(USER, false);
      assert.equal(target?.id, ID);
    });

    it('takes them in the form that clients see, too', async () => {
      const { importAll, subscriptions } = createImportRig();
      const value = pluginSubscription({ msgtype: 'chat' }, { validated: true });
      await importAll([entry(serverEntry(`webpush/subscriptions/${ID}`), value)]);
      assert.equal((await subscriptions.forMessage(USER, isChat)).length, 1);
    });

    const unfit: [name: string, key: string, value: string, reason: RegExp][] = [
      [
        'that wait for their validation',
        pluginKey(`subscriptions/${ID}`),
        pluginSubscription({}, { validation: 'abc' }),
        /never validated/,
      ],
      [
        'that clients see as not validated',
        serverEntry(`webpush/subscriptions/${ID}`),
        pluginSubscription({}, { validated: false }),
        /never validated/,
      ],
      [
        'that clients see without a word on it',
        serverEntry(`webpush/subscriptions/${ID}`),
        pluginSubscription(),
        /never validated/,
      ],
      [
        'with an http endpoint',
        pluginKey(`subscriptions/${ID}`),
        pluginSubscription({ endpoint: 'http://push.example.com/secret' }),
        /https/,
      ],
      [
        'with an ID that is too long',
        pluginKey(`subscriptions/${'x'.repeat(37)}`),
        pluginSubscription(),
        /10 to 36/,
      ],
      [
        'without keys',
        pluginKey(`subscriptions/${ID}`),
        pluginSubscription({ auth: undefined }),
        /auth/,
      ],
      ['that are no JSON', pluginKey(`subscriptions/${ID}`), '{', /validated/],
      ['that are no object', pluginKey(`subscriptions/${ID}`), 'null', /validated/],
    ];
    for (const [name, key, value, reason] of unfit) {
      it(`names those ${name}, and leaves them out`, async () => {
        const { importAll, subscriptions } = createImportRig();
        const report = await importAll([entry(key, value)]);
        assert.deepEqual(report.subscriptions, NOTHING);
        assert.equal(report.skippedEntries[0]?.key, key);
        assert.match(report.skippedEntries[0].reason, reason);
        assert.doesNotMatch(report.skippedEntries[0].reason, /secret/);
        assert.deepEqual(await subscriptions.list(USER), []);
      });
    }

    it('believes the plugin where clients see something else', async () => {
      const { importAll, subscriptions } = createImportRig();
      const report = await importAll([
        entry(
          serverEntry(`webpush/subscriptions/${ID}`),
          pluginSubscription({}, { validated: true }),
        ),
        entry(pluginKey(`subscriptions/${ID}`), pluginSubscription({}, { validation: 'abc' })),
      ]);
      assert.equal(report.skipped, 1);
      assert.deepEqual(await subscriptions.list(USER), []);
    });

    it('takes as many as the limit allows, and names the rest', async () => {
      const { importAll, subscriptions } = createImportRig();
      const dict = [1, 2, 3, 4, 5].map((n) =>
        entry(pluginKey(`subscriptions/subscription-${n}`), pluginSubscription()),
      );
      const report = await importAll([...dict, entry(`priv/${INBOX}/comment`, 'x')]);
      assert.deepEqual(report.subscriptions, { ...NOTHING, added: 3 });
      assert.equal(report.skipped, 2);
      assert.equal(report.annotations.added, 1);
      assert.equal((await subscriptions.list(USER)).length, 3);
    });

    it('lets a registration under the same ID go on', async () => {
      const { importAll, subscriptions } = createImportRig();
      const push = await subscriptions.register(
        USER,
        ID,
        subscriptionJson({ endpoint: 'https://push.example.com/new' }),
      );
      await importAll([entry(pluginKey(`subscriptions/${ID}`), pluginSubscription())]);
      assert.equal((await subscriptions.forMessage(USER, isChat)).length, 1);
      await subscriptions.validate(USER, ID, tokenOf(push));
      const [target] = await subscriptions.forMessage(USER, isChat);
      assert.equal(target?.resource.endpoint, 'https://push.example.com/new');
    });

    it('keeps one that was replaced here, unless told to overwrite', async () => {
      const { importAll, subscriptions } = createImportRig();
      const push = await subscriptions.register(
        USER,
        ID,
        subscriptionJson({ endpoint: 'https://push.example.com/new' }),
      );
      await subscriptions.validate(USER, ID, tokenOf(push));
      const dict = [entry(pluginKey(`subscriptions/${ID}`), pluginSubscription())];
      assert.deepEqual((await importAll(dict)).subscriptions, { ...NOTHING, kept: 1 });
      const report = await importAll(dict, { overwrite: true });
      assert.deepEqual(report.subscriptions, { ...NOTHING, changed: 1 });
      const [target] = await subscriptions.forMessage(USER, isChat);
      assert.equal(target?.resource.endpoint, 'https://push.example.com/p/1234');
    });
  });

  describe('of the C plugin’s VAPID key', () => {
    it('takes it over, so that push services know the subscriptions again', async () => {
      const { importAll, vapidKeys } = createImportRig();
      const key = makeKey();
      assert.equal((await importAll([vapidEntry(key)])).vapid, 'added');
      const { privateKey } = await vapidKeys.get(USER);
      assert.ok(privateKey.equals(key));
    });

    it('never keeps the private key as an annotation', async () => {
      const { importAll, store } = createImportRig();
      const secret = vapidEntry(makeKey());
      await importAll([secret]);
      const keys = (await store.list(USER, '')).map(({ key }) => key);
      assert.deepEqual(keys, ['webpush/vapid']);
      assert.equal(await store.get(USER, secret.key), undefined);
    });

    it('keeps another one that is here, and leaves out what was made with the old one', async () => {
      const { importAll, vapidKeys, subscriptions } = createImportRig();
      const here = await vapidKeys.get(USER);
      const dict = [
        vapidEntry(makeKey()),
        entry(pluginKey(`subscriptions/${ID}`), pluginSubscription()),
      ];
      const report = await importAll(dict);
      assert.equal(report.vapid, 'kept');
      assert.match(report.skippedEntries[0]?.reason ?? '', /another VAPID key/);
      assert.equal((await vapidKeys.get(USER)).publicPem, here.publicPem);
      assert.deepEqual(await subscriptions.list(USER), []);
      const overwritten = await importAll(dict, { overwrite: true });
      assert.equal(overwritten.vapid, 'changed');
      assert.notEqual((await vapidKeys.get(USER)).publicPem, here.publicPem);
      assert.equal(overwritten.subscriptions.added, 1);
    });

    it('names one that cannot be read', async () => {
      const { importAll } = createImportRig();
      const report = await importAll([entry(pluginKey('vapid_private_key'), '2:1:2:3')]);
      assert.equal(report.vapid, 'none');
      assert.equal(report.skipped, 1);
    });

    it('warns when subscriptions come without it', async () => {
      const { importAll } = createImportRig();
      const subscription = entry(pluginKey(`subscriptions/${ID}`), pluginSubscription());
      assert.match((await importAll([subscription])).warnings[0] ?? '', /VAPID private key/);
      assert.deepEqual((await importAll([subscription])).warnings, []);
    });

    it('passes over the public key, which is made out of the private one', async () => {
      const { importAll, vapidKeys } = createImportRig();
      const report = await importAll([
        entry(serverEntry('webpush/vapid'), '-----BEGIN PUBLIC KEY'),
      ]);
      assert.equal(report.skipped, 0);
      assert.equal(await vapidKeys.find(USER), undefined);
    });
  });

  describe('of a user whose INBOX was made anew', () => {
    it('asks Dovecot which INBOX counts', async () => {
      const { importAll, store, asked } = createImportRig();
      const report = await importAll([
        entry(serverEntry('coi/config/message-filter', OLD_INBOX), 'seen'),
        entry(serverEntry('coi/config/message-filter'), 'active'),
        entry(pluginKey(`subscriptions/${OTHER_ID}`, OLD_INBOX), pluginSubscription()),
        entry(`priv/${OLD_INBOX}/comment`, 'kept all the same'),
      ]);
      assert.equal(asked(), 1);
      assert.equal((await readSettings(store, USER)).messageFilter, 'active');
      assert.equal(report.annotations.added, 1);
      assert.equal(report.skipped, 2);
      assert.match(report.skippedEntries[0]?.reason ?? '', /INBOX that is gone/);
    });

    it('does not ask while there is but one', async () => {
      const { importAll, asked } = createImportRig();
      await importAll([
        entry(serverEntry('coi/config/enabled'), 'yes'),
        entry(`priv/${OLD_INBOX}/comment`, 'x'),
      ]);
      assert.equal(asked(), 0);
    });
  });

  it('counts once what it has to store again because another sidecar was faster', async () => {
    const rig = createImportRig();
    rig.store.overtaken = 2;
    const report = await rig.importAll([
      entry(pluginKey(`subscriptions/${ID}`), pluginSubscription()),
      entry(pluginKey(`subscriptions/${OTHER_ID}`), 'no subscription'),
    ]);
    assert.deepEqual(report.subscriptions, { ...NOTHING, added: 1 });
    assert.equal(report.skipped, 1);
    assert.equal(rig.store.commits.length, 1);
  });

  it('loses nothing when the store fails half-way and it is repeated', async () => {
    const rig = createImportRig();
    const dict = [
      entry(`shared/${INBOX}/comment`, 'y'),
      entry(`priv/${INBOX}/comment`, 'x'),
      entry(serverEntry('coi/config/enabled'), 'yes'),
    ];
    rig.store.full = true;
    await assert.rejects(rig.importAll(dict), /full/);
    assert.equal(rig.store.commits.length, 0);
    rig.store.full = false;
    const report = await rig.importAll(dict);
    assert.deepEqual(report.annotations, { ...NOTHING, added: 2 });
  });
});
