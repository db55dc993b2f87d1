import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { folderNames } from '../../src/coi/folders.ts';
import type {
  AnnotationChange,
  DoveadmAnnotations,
} from '../../src/dovecot/doveadm-annotations.ts';
import { UnavailableError } from '../../src/errors.ts';
import { createChangeOwnEntries } from '../../src/metadata/change-own-entries.ts';
import { createDoveadmSource } from '../../src/metadata/doveadm-source.ts';
import type { MetadataSource } from '../../src/metadata/metadata-source.ts';
import { createOwnEntries } from '../../src/metadata/own-entries.ts';
import type { FirstAttempt } from '../../src/webpush/subscriptions/subscriptions.ts';
import type { ValidationPush } from '../../src/webpush/validation/validation-push.ts';
import { VapidKeys } from '../../src/webpush/vapid/vapid-keys.ts';
import { recordLog } from '../support/record-log.ts';
import {
  createHarness,
  ID,
  subscriptionJson,
  tokenOf,
  type Harness,
} from '../webpush/subscriptions/subscription-fixtures.ts';

const USER = 'alice';
const ENABLED = 'coi/config/enabled';
const FILTER = 'coi/config/message-filter';
const SUBSCRIPTION = `webpush/subscriptions/${ID}`;

/** Dovecot's dict, which can be kept from being read or written. */
class Annotations implements DoveadmAnnotations {
  readonly entries = new Map<string, string>();
  reads = 0;
  isReadable = true;
  isWritable = true;
  /** When the answer to a write comes. */
  answered: Promise<unknown> = Promise.resolve();

  async read(): Promise<Map<string, string>> {
    this.reads += 1;
    const entries = new Map(this.entries);
    // The answer takes its time, and may be out of date when it comes.
    await turn();
    if (!this.isReadable) throw new UnavailableError('Dovecot is away');
    return entries;
  }

  async write(_user: string, changes: readonly AnnotationChange[]): Promise<void> {
    if (!this.isWritable) throw new UnavailableError('Dovecot is away');
    for (const { entry, value } of changes) {
      if (value === undefined) this.entries.delete(entry);
      else this.entries.set(entry, value);
    }
    await this.answered;
  }
}

describe('annotations that Dovecot keeps', () => {
  let harness: Harness;
  let annotations: Annotations;
  let pushes: ValidationPush[];
  let sendValidation: () => Promise<FirstAttempt>;
  let foldersFail: boolean;
  let refused: number;
  let source: MetadataSource;

  beforeEach(() => {
    harness = createHarness();
    annotations = new Annotations();
    pushes = [];
    sendValidation = () => Promise.resolve('accepted');
    foldersFail = false;
    refused = 0;
    const { store, subscriptions, clock } = harness;
    const sealer = { seal: (text: Buffer) => text, open: (sealed: Buffer) => sealed };
    const vapidKeys = new VapidKeys({ store, sealer, curve: 'prime256v1', clock });
    const ensure = (): Promise<void> =>
      foldersFail ? Promise.reject(new UnavailableError('quota exceeded')) : Promise.resolve();
    source = createDoveadmSource({
      annotations,
      store,
      own: createOwnEntries({ store, subscriptions, vapidKeys, mailboxRoot: 'COI' }),
      change: createChangeOwnEntries({
        ...{ store, subscriptions },
        folders: {
          names: folderNames('COI', '/'),
          hasChats: () => Promise.resolve(true),
          ensure,
          ensureAll: ensure,
          provide: ensure,
          provideBesideChats: ensure,
        },
        sendValidation: (push) => {
          pushes.push(push);
          return sendValidation();
        },
      }),
      cacheLifetime: 60_000,
      log: recordLog().log,
      onRefused: () => (refused += 1),
    });
  });

  const write = (entry: string, value: string | Buffer): void =>
    void annotations.entries.set(entry, value.toString());
  /** As if the user's annotations had to be read anew. */
  const look = async (): Promise<void> => {
    source.forget(USER);
    await source.settings(USER);
  };
  const looks = async (count: number): Promise<void> => {
    for (let made = 0; made < count; made++) await look().catch(() => undefined);
  };
  const isValidated = async (): Promise<boolean | undefined> =>
    (await harness.subscriptions.find(USER, ID))?.validated;

  it('are taken in once, however long the answer cannot be written back', async () => {
    write(SUBSCRIPTION, subscriptionJson());
    annotations.isWritable = false;
    await looks(4);
    assert.equal(pushes.length, 1);
    write(`${SUBSCRIPTION}/validate`, tokenOf(pushes[0]!));
    await looks(3);
    assert.equal(await isValidated(), true);
    assert.equal(refused, 0);
    assert.deepEqual(harness.events, ['registered', 'validated']);
    annotations.isWritable = true;
    await look();
    const shown = JSON.parse(annotations.entries.get(SUBSCRIPTION)!) as { validated: boolean };
    assert.equal(shown.validated, true, 'written when it can be');
    assert.equal(annotations.entries.has(`${SUBSCRIPTION}/validate`), false);
    assert.equal(pushes.length, 1);
  });

  it('are refused once, however long the refused value cannot be taken away', async () => {
    write(SUBSCRIPTION, 'no subscription');
    write(`${SUBSCRIPTION}/validate`, 'of nothing');
    write(FILTER, 'Seen');
    annotations.isWritable = false;
    await looks(3);
    assert.equal(refused, 3);
    annotations.isWritable = true;
    await look();
    assert.equal(refused, 3);
    assert.equal(annotations.entries.has(SUBSCRIPTION), false);
  });

  it('are no refusals when a validation text goes that was taken in', async () => {
    write(SUBSCRIPTION, subscriptionJson());
    await look();
    write(`${SUBSCRIPTION}/validate`, tokenOf(pushes[0]!));
    annotations.isWritable = false;
    await looks(1);
    annotations.entries.delete(`${SUBSCRIPTION}/validate`); // the client's SETMETADATA … NIL
    annotations.isWritable = true;
    await looks(2);
    assert.equal(refused, 0);
    assert.equal(await isValidated(), true);
  });

  it('are removed once, too, and what is set anew is taken in anew', async () => {
    write(SUBSCRIPTION, subscriptionJson());
    await look();
    annotations.isWritable = false;
    annotations.entries.delete(SUBSCRIPTION);
    await looks(3);
    assert.equal(await isValidated(), undefined);
    write(SUBSCRIPTION, subscriptionJson());
    await looks(3);
    assert.equal(await isValidated(), false);
    assert.deepEqual(harness.events, ['registered', 'abandoned', 'registered']);
    assert.equal(pushes.length, 2);
  });

  it('are taken in although another waits for a folder that cannot be made', async () => {
    foldersFail = true;
    write(ENABLED, 'yes');
    write(SUBSCRIPTION, subscriptionJson());
    await assert.rejects(look(), /quota exceeded/);
    await looks(3);
    assert.equal(pushes.length, 1);
    assert.equal(annotations.entries.get(ENABLED), 'yes', 'it is not taken away meanwhile');
    foldersFail = false;
    await look();
    assert.equal((await source.settings(USER)).enabled, true);
    assert.equal(pushes.length, 1);
  });

  it('are taken in again when the validation push could not be owed', async () => {
    write(SUBSCRIPTION, subscriptionJson());
    sendValidation = () => Promise.reject(new UnavailableError('the outbox is full'));
    await assert.rejects(look(), /the outbox is full/);
    sendValidation = () => Promise.resolve('accepted');
    await look();
    await look();
    assert.equal(pushes.length, 2);
    write(`${SUBSCRIPTION}/validate`, tokenOf(pushes[1]!));
    await look();
    assert.equal(await isValidated(), true);
  });

  it('are read once for all who ask while they are read', async () => {
    write(ENABLED, 'yes');
    await look();
    source.forget(USER);
    annotations.reads = 0;
    const first = source.settings(USER);
    while (annotations.reads === 0) await Promise.resolve();
    const answers = await Promise.all(Array.from({ length: 20 }, () => source.settings(USER)));
    assert.equal(annotations.reads, 1);
    for (const { enabled } of [...answers, await first]) assert.equal(enabled, true);
  });

  it('are asked for once for all who ask meanwhile, of a Dovecot that is away', async () => {
    await look();
    source.forget(USER);
    annotations.isReadable = false;
    annotations.reads = 0;
    const first = source.settings(USER);
    while (annotations.reads === 0) await Promise.resolve();
    await Promise.all(Array.from({ length: 20 }, () => source.settings(USER)));
    await first;
    assert.equal(annotations.reads, 2);
  });

  it('are read at most once more, however many notices come meanwhile', async () => {
    await look();
    await source.publish(USER);
    annotations.reads = 0;
    source.onNotice(USER, 'SETMETADATA');
    while (annotations.reads === 0) await Promise.resolve();
    write(FILTER, 'seen');
    for (let count = 0; count < 50; count++) source.onNotice(USER, 'SETMETADATA');
    const { messageFilter } = await source.settings(USER);
    assert.equal(messageFilter, 'seen', 'what was noticed before the question has effect');
    await source.publish(USER);
    assert.equal(annotations.reads, 3);
  });

  it('are noted as written before the service ends, and not looked at any more', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    annotations.answered = promise;
    write(SUBSCRIPTION, subscriptionJson());
    const value = annotations.entries.get(SUBSCRIPTION);
    const looking = look();
    while (annotations.entries.get(SUBSCRIPTION) === value) await turn();
    const order: string[] = [];
    const stopped = source.stop(60_000).then(() => order.push('stopped'));
    for (let count = 0; count < 5; count++) await turn();
    order.push('answered');
    resolve(undefined);
    await stopped;
    assert.deepEqual(order, ['answered', 'stopped']);
    const seen = await harness.store.get(USER, `mirror/${SUBSCRIPTION}`);
    assert.equal(seen?.toString(), annotations.entries.get(SUBSCRIPTION));
    await looking;
    annotations.reads = 0;
    await look();
    await source.publish(USER);
    assert.equal(annotations.reads, 0);
  });

  it('keep nobody from ending the service', async () => {
    annotations.answered = new Promise(() => undefined);
    write(SUBSCRIPTION, subscriptionJson());
    const value = annotations.entries.get(SUBSCRIPTION);
    void look();
    while (annotations.entries.get(SUBSCRIPTION) === value) await turn();
    await source.stop(1);
  });
});
