import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatFileDict, parseFileDict, type DictEntry } from '../../../src/dovecot/file-dict.ts';
import {
  ID,
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

describe('an export', () => {
  it('is the file that was imported, octet by octet, once sorted', async () => {
    const { importAll, exportAll } = createImportRig();
    const dict = [
      entry(`priv/${INBOX}/comment`, Buffer.from([0xff, 0x0a, 0x01, 0x09])),
      entry(`priv/${OLD_INBOX}/comment`, 'of a mailbox that is gone'),
      entry(`priv/${CHATS}/vendor/vendor.dovecot/pvt/crypt/privkeys/2a5d`, '2:1.3:0:00:2a5d'),
      entry(`shared/${CHATS}/vendor/vendor.dovecot/pvt/crypt/active`, '2a5d'),
      entry(`shared/${INBOX}/comment`, 'for all'),
      entry(serverEntry('coi/config/enabled'), 'yes'),
      entry(serverEntry('coi/config/message-filter'), 'seen'),
      entry(
        pluginKey(`subscriptions/${ID}`),
        pluginSubscription({ msgtype: 'any', client: 'Ä "\u2028"' }).replace('\u2028', '\\u2028'),
      ),
      vapidEntry(makeKey()),
    ];
    const file = formatFileDict(dict);
    const report = await importAll(parseFileDict(file).entries);
    assert.equal(report.skipped, 0, JSON.stringify(report.skippedEntries));
    assert.equal(formatFileDict(await exportAll(USER)).toString('latin1'), file.toString('latin1'));
  });

  it('gives back whatever passes through', async () => {
    const key = fc
      .tuple(
        fc.constantFrom('priv', 'shared'),
        fc.constantFrom(INBOX, CHATS),
        fc.string({ unit: 'binary' }),
      )
      .map(([kind, guid, name]) => `${kind}/${guid}/x${name}`)
      .filter((text) => text.isWellFormed());
    const value = fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets));
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.record({ key, value }), { selector: (one) => one.key }),
        async (entries: DictEntry[]) => {
          const { importAll, exportAll } = createImportRig();
          const file = formatFileDict(entries);
          await importAll(parseFileDict(file).entries);
          assert.deepEqual(formatFileDict(await exportAll(USER)), file);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is understood by an import elsewhere: settings, subscriptions and key are the same', async () => {
    const from = createImportRig();
    const push = await from.subscriptions.register(
      USER,
      ID,
      subscriptionJson({ client: undefined, device: undefined }),
    );
    await from.subscriptions.validate(USER, ID, tokenOf(push));
    const key = await from.vapidKeys.get(USER);
    const to = createImportRig();
    await to.importAll(await from.exportAll(USER));
    assert.deepEqual(await to.subscriptions.list(USER), await from.subscriptions.list(USER));
    assert.equal((await to.vapidKeys.get(USER)).publicPem, key.publicPem);
  });

  it('leaves out what was never validated', async () => {
    const { subscriptions, exportAll } = createImportRig();
    await subscriptions.register(USER, ID, subscriptionJson());
    assert.deepEqual(await exportAll(USER), []);
  });

  it('makes no VAPID key', async () => {
    const { exportAll, store, importAll } = createImportRig();
    await importAll([entry(`priv/${INBOX}/comment`, 'x')]);
    await exportAll(USER);
    assert.equal((await store.list(USER, '')).length, 1);
  });

  it('has shared entries of the user’s own mailboxes only', async () => {
    const { importAll, exportAll } = createImportRig();
    await importAll([entry(`shared/${OLD_INBOX}/comment`, 'of somebody else')]);
    assert.deepEqual(await exportAll(USER), []);
  });

  it('puts entries of ours below the INBOX of today', async () => {
    const { importAll, exportAll } = createImportRig();
    await importAll([entry(serverEntry('coi/config/enabled', OLD_INBOX), 'yes')]);
    assert.deepEqual(await exportAll(USER), [entry(serverEntry('coi/config/enabled'), 'yes')]);
  });

  it('fails when Dovecot shows no INBOX to put them below', async () => {
    const { importAll, exportAll } = createImportRig([]);
    await importAll([entry(serverEntry('coi/config/enabled'), 'yes')]);
    await assert.rejects(exportAll(USER), /no INBOX/);
  });
});
