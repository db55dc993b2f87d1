import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { formatDcryptPrivateKey } from '../../../src/dovecot/dcrypt-private-key.ts';
import type { DictEntry } from '../../../src/dovecot/file-dict.ts';
import type { MailboxGuid } from '../../../src/dovecot/mailbox-guids.ts';
import { createExportAnnotations } from '../../../src/metadata/transfer/export-annotations.ts';
import { createImportAnnotations } from '../../../src/metadata/transfer/import-annotations.ts';
import { createSealer } from '../../../src/stores/seal.ts';
import { VapidKeys } from '../../../src/webpush/vapid/vapid-keys.ts';
import {
  createHarness,
  subscriptionValue,
  type RequestFields,
} from '../../webpush/subscriptions/subscription-fixtures.ts';

export const USER = 'bob@example.org';
export const INBOX = '988a1835247b036b110a000083ecc375';
export const CHATS = '4bf306152877036b0512000083ecc375';
export const OLD_INBOX = '00000000000000000000000000000001';

export const serverEntry = (name: string, inbox = INBOX): string =>
  `priv/${inbox}/vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/${name}`;
export const pluginKey = (name: string, inbox = INBOX): string =>
  serverEntry(`pvt/webpush/${name}`, inbox);

export const entry = (key: string, value: string | Buffer): DictEntry => ({
  key,
  value: Buffer.from(value as string),
});

/** As the C plugin keeps a validated subscription. */
export const pluginSubscription = (fields: RequestFields = {}, more: object = {}): string =>
  JSON.stringify({
    created: '2019-10-16T16:14:17+02:00',
    ...subscriptionValue({ msgtype: 'any', ...fields }),
    ...more,
  });

export const makeKey = (): KeyObject =>
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

export const vapidEntry = (key: KeyObject): DictEntry =>
  entry(pluginKey('vapid_private_key'), formatDcryptPrivateKey(key));

/** Import and export over a store in memory; Dovecot's word on mailboxes is given. */
export function createImportRig(
  mailboxes: MailboxGuid[] = [
    { mailbox: 'INBOX', guid: INBOX },
    { mailbox: 'COI/Chats', guid: CHATS },
  ],
) {
  const harness = createHarness();
  const { store, clock, subscriptions } = harness;
  const sealer = createSealer(undefined);
  const vapidKeys = new VapidKeys({ store, sealer, curve: 'prime256v1', clock });
  let asked = 0;
  const kept = {
    ...{ store, subscriptions, vapidKeys },
    listMailboxes: () => {
      asked += 1;
      return Promise.resolve(mailboxes);
    },
  };
  const importAll = createImportAnnotations({
    ...kept,
    mailboxRoot: 'COI',
    now: () => clock.now(),
  });
  return {
    ...harness,
    vapidKeys,
    exportAll: createExportAnnotations(kept),
    importAll: (
      entries: readonly DictEntry[],
      { dryRun = false, overwrite = false, user = USER } = {},
    ) => importAll(user, entries, { dryRun, overwrite }),
    /** How often Dovecot was asked. */
    asked: () => asked,
  };
}
