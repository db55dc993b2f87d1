import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import type { Clock } from '../../src/clock.ts';
import { folderNames } from '../../src/coi/folders.ts';
import { UnavailableError } from '../../src/errors.ts';
import { createChangeOwnEntries } from '../../src/metadata/change-own-entries.ts';
import { createGate, type Gate } from '../../src/metadata/gate.ts';
import { createHttpNotify, type HttpNotify } from '../../src/metadata/http-notify.ts';
import { createOwnEntries } from '../../src/metadata/own-entries.ts';
import type { Change, StoreEntry } from '../../src/stores/store.ts';
import { AbuseThrottle } from '../../src/webpush/subscriptions/abuse-throttle.ts';
import { Subscriptions, type FirstAttempt } from '../../src/webpush/subscriptions/subscriptions.ts';
import type { ValidationPush } from '../../src/webpush/validation/validation-push.ts';
import { VapidKeys } from '../../src/webpush/vapid/vapid-keys.ts';
import { MemoryStore } from '../support/memory-store.ts';

const GUID = '6afb1c2a1bd3636adc4b000083ecdd75';
const SERVER = `priv/${GUID}/vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/`;
const ID = '31754ee7-d3ee-4226-b112-6895ed26fcf8';
const P256DH =
  'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4';
const tokenOf = (push: ValidationPush | undefined): string =>
  (JSON.parse(push?.payload ?? '{}') as { validation: string }).validation;
const subscription = (endpoint = 'https://push.example.net/1'): Buffer =>
  Buffer.from(
    JSON.stringify({
      client: 'c',
      device: 'd',
      msgtype: 'chat',
      resource: { endpoint, keys: { p256dh: P256DH, auth: 'BTBZMqHH6r4Tts7J_aSIgg' } },
    }),
  );
/** Where the push service refuses. */
const GONE = 'https://push.example.net/gone';
const set = (key: string, value: string | Buffer): Change => ({
  op: 'set',
  key,
  value: Buffer.from(value),
});

describe('the gate', () => {
  let store: MemoryStore;
  let made: string[];
  let attempt: FirstAttempt;
  let pushes: ValidationPush[];
  /** Happens while a validation push is under way. */
  let meanwhile: () => Promise<unknown>;
  let transitions: string[];
  let foldersFail: boolean;
  let hasChats: boolean;
  let now: number;
  let throttle: AbuseThrottle;
  /** How long answers were held back, in milliseconds. */
  let held: number[];
  let gate: Gate;
  let notify: HttpNotify | undefined;

  beforeEach(() => {
    store = new MemoryStore();
    notify = undefined;
    made = [];
    pushes = [];
    meanwhile = () => Promise.resolve();
    transitions = [];
    attempt = 'accepted';
    foldersFail = false;
    hasChats = true;
    held = [];
    now = 1_700_000_000_000;
    const clock: Clock = { now: () => now, monotonic: () => now };
    const log = pino({ level: 'silent' });
    const subscriptions = new Subscriptions({
      store,
      clock,
      log,
      limit: 3,
      expireMsecs: 300_000,
    });
    const sealer = { seal: (text: Buffer) => text, open: (sealed: Buffer) => sealed };
    const vapidKeys = new VapidKeys({ store, sealer, curve: 'prime256v1', clock });
    const names = folderNames('COI', '/');
    const ensure = (_user: string, mailboxes: readonly string[]): Promise<void> => {
      if (foldersFail) return Promise.reject(new UnavailableError('quota exceeded'));
      made.push(...mailboxes);
      return Promise.resolve();
    };
    throttle = new AbuseThrottle({
      clock,
      refusals: 3,
      pauseMsecs: 10_000,
      lockoutMsecs: 60_000,
    });
    gate = createGate({
      store,
      own: createOwnEntries({ store, subscriptions, vapidKeys, mailboxRoot: 'COI' }),
      change: createChangeOwnEntries({
        store,
        subscriptions,
        folders: {
          names,
          hasChats: () => Promise.resolve(hasChats),
          ensure,
          ensureAll: (user) => ensure(user, [names.chats, names.contacts, names.blocked]),
          provide: (user) => ensure(user, [names.chats, names.contacts, names.blocked]),
          provideBesideChats: (user) => ensure(user, [names.contacts, names.blocked]),
        },
        sendValidation: async (push) => {
          pushes.push(push);
          await meanwhile();
          return push.resource.endpoint === GONE ? 'refused' : attempt;
        },
        onTransition: (state) => transitions.push(state),
      }),
      throttle,
      httpNotify: (user) => notify?.(user) ?? Promise.resolve(undefined),
      log,
      sleep: (msecs) => {
        held.push(msecs);
        now += msecs;
        return Promise.resolve();
      },
    });
  });

  const read = async (entry: string): Promise<string | undefined> =>
    (await gate.lookup('alice', SERVER + entry))?.toString();

  it('passes what is not ours through byte for byte, private and shared', async () => {
    const value = Buffer.from([0, 1, 9, 10, 13, 255]);
    const keys = [
      `priv/${GUID}/comment`,
      `priv/${GUID}/vendor/vendor.dovecot/pvt/crypt/privkeys/abc`,
      `priv/${GUID}/vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/http-notify`,
      `priv/${GUID}/vendor/vendor.dovecot/coi/config/enabled`,
    ];
    for (const key of keys) {
      assert.equal(await gate.commit('alice', [{ op: 'set', key, value }]), 'committed');
      assert.deepEqual(await gate.lookup('alice', key), value);
      assert.equal(await gate.lookup('bob', key), undefined);
    }
    const shared = `shared/${GUID}/comment`;
    await gate.commit('alice', [{ op: 'set', key: shared, value }]);
    assert.deepEqual(await gate.lookup('bob', shared), value, 'shared is found by whoever asks');
    const listed = await list(gate, 'alice', `priv/${GUID}/`);
    assert.deepEqual(listed.map(({ key }) => key).sort(), [...keys].sort());
  });

  it('answers http-notify for the ox driver, in the driver’s form, where nobody stored one', async () => {
    const key = `${SERVER}http-notify`;
    assert.equal(await gate.lookup('alice', key), undefined, 'there is no such driver');
    notify = createHttpNotify({
      settings: (user) =>
        Promise.resolve({ enabled: user.startsWith('coi'), messageFilter: 'none' }),
      wantsPushes: (user) => Promise.resolve(user.startsWith('sub')),
    });
    assert.equal(await gate.lookup('alice', key), undefined);
    assert.equal((await gate.lookup('coi@example.org', key))?.toString(), 'user=coi@example.org');
    assert.equal((await gate.lookup('sub\tscriber', key))?.toString(), 'user=sub\x01tscriber');
    assert.deepEqual(
      await list(gate, 'coi', `priv/${GUID}/`),
      await list(gate, 'alice', `priv/${GUID}/`),
    );
    assert.equal(await gate.lookup('coi', `priv/${GUID}/http-notify`), undefined, 'of a mailbox');

    await gate.commit('coi', [set(key, 'user=11@3')]);
    assert.equal((await gate.lookup('coi', key))?.toString(), 'user=11@3');
    await gate.commit('coi', [{ op: 'unset', key }]);
    assert.equal((await gate.lookup('coi', key))?.toString(), 'user=coi');
  });

  it('keeps COI’s entries by user: they outlive the INBOX whose GUID they came under', async () => {
    await gate.commit('alice', [set(`${SERVER}coi/config/enabled`, 'yes')]);
    const other = SERVER.replace(GUID, 'f'.repeat(32));
    assert.equal((await gate.lookup('alice', `${other}coi/config/enabled`))?.toString(), 'yes');
  });

  it('has mailbox-root for everyone and lets nobody set it', async () => {
    assert.equal(await read('coi/config/mailbox-root'), 'COI');
    await assert.rejects(
      gate.commit('alice', [set(`${SERVER}coi/config/mailbox-root`, 'myroot')]),
      /unable to set .*mailbox-root/,
    );
  });

  it('makes the folders before it says that COI is enabled', async () => {
    await gate.commit('alice', [set(`${SERVER}coi/config/enabled`, 'yes')]);
    assert.deepEqual(made, ['COI/Chats', 'COI/Contacts', 'Blocked']);
  });

  it('has a DELETE of Chats that came while COI was being enabled disable it', async () => {
    hasChats = false;
    const changes = [
      set(`${SERVER}coi/config/enabled`, 'yes'),
      set(`${SERVER}coi/config/message-filter`, 'seen'),
    ];
    assert.equal(await gate.commit('alice', changes), 'committed');
    assert.equal(await read('coi/config/enabled'), undefined);
    assert.equal(await read('coi/config/message-filter'), 'seen');
    assert.deepEqual(transitions, ['enabled', 'disabled']);
  });

  it('stores nothing when the folders cannot be made', async () => {
    foldersFail = true;
    const changes = [set(`${SERVER}coi/config/enabled`, 'yes'), set(`priv/${GUID}/comment`, 'x')];
    await assert.rejects(gate.commit('alice', changes), /quota exceeded/);
    assert.equal(await read('coi/config/enabled'), undefined);
    assert.equal(await gate.lookup('alice', `priv/${GUID}/comment`), undefined);
  });

  it('refuses all of a transaction when one entry is refused', async () => {
    const changes = [
      set(`priv/${GUID}/comment`, 'x'),
      set(`${SERVER}coi/config/enabled`, 'yes'),
      set(`${SERVER}coi/config/message-filter`, 'Active'),
    ];
    await assert.rejects(gate.commit('alice', changes), /message-filter/);
    assert.equal(await read('coi/config/enabled'), undefined);
    assert.deepEqual(made, []);
  });

  it('makes no VAPID key for a list of COI’s entries, and one for a list of all', async () => {
    const coi = await list(gate, 'alice', `${SERVER}coi/config/`);
    assert.deepEqual(
      coi.map(({ key }) => key),
      [`${SERVER}coi/config/mailbox-root`],
    );
    assert.equal(await store.get('alice', 'webpush/vapid'), undefined);
    const all = await list(gate, 'alice', SERVER);
    assert.ok(all.some(({ key }) => key === `${SERVER}webpush/vapid`));
  });

  it('shows no private key, no token and no secret of ours under any path', async () => {
    await gate.commit('alice', [set(`${SERVER}webpush/subscriptions/${ID}`, subscription())]);
    await read('webpush/vapid');
    const token = (JSON.parse(pushes[0]?.payload ?? '{}') as { validation: string }).validation;
    for (const path of ['priv/', `priv/${GUID}/`, SERVER, `${SERVER}webpush/`]) {
      for (const { value } of await list(gate, 'alice', path)) {
        assert.ok(
          !value.includes(token) && !value.includes('privateKey') && !value.includes('tokenHash'),
        );
      }
    }
    for (const key of ['webpush/vapid', 'webpush/subscriptions/', 'coi/', '']) {
      assert.equal(await gate.lookup('alice', key), undefined);
      assert.deepEqual(await list(gate, 'alice', key), []);
      await assert.rejects(gate.commit('alice', [set(`${key}x`, 'x')]), /neither priv/);
    }
    assert.equal(await read(`webpush/subscriptions/${ID}/validate`), undefined);
  });

  it('refuses to remove a validation text: NIL is not the right one', async () => {
    const path = `${SERVER}webpush/subscriptions/${ID}`;
    await gate.commit('alice', [set(path, subscription())]);
    for (const id of [ID, 'never-heard-of']) {
      const key = `${SERVER}webpush/subscriptions/${id}/validate`;
      await assert.rejects(
        gate.commit('alice', [{ op: 'unset', key }]),
        /invalid validation|no subscr/,
      );
    }
    await gate.commit('alice', [set(`${path}/validate`, tokenOf(pushes[0]))]);
  });

  it('takes a subscription back whose validation push is refused for good', async () => {
    attempt = 'refused';
    const change = set(`${SERVER}webpush/subscriptions/${ID}`, subscription());
    await assert.rejects(gate.commit('alice', [change]), /refused the validation push/);
    assert.equal(await read(`webpush/subscriptions/${ID}`), undefined);
  });

  describe('refuses all of a transaction when a validation push is refused', () => {
    const comment = `priv/${GUID}/comment`;
    const refused = set(`${SERVER}webpush/subscriptions/${ID}`, subscription(GONE));
    const refuse = (changes: Change[]): Promise<void> =>
      assert.rejects(gate.commit('alice', changes), /refused the validation push/);
    const settings = [set(`${SERVER}coi/config/enabled`, 'yes'), set(comment, 'hello')];
    const listAll = () => store.list('alice', '');

    it('settings and comments', async () => {
      await refuse([...settings, refused]);
      assert.deepEqual(await listAll(), []);
      assert.deepEqual(transitions, []);
      await gate.commit('alice', [
        ...settings,
        set(`${SERVER}webpush/subscriptions/${ID}`, subscription()),
      ]);
      assert.equal(await read('coi/config/enabled'), 'yes');
      assert.equal((await gate.lookup('alice', comment))?.toString(), 'hello');
      assert.deepEqual(transitions, ['enabled']);
    });

    it('also what it removed, validated, replaced or stored besides', async () => {
      const path = (name: string): string => `${SERVER}webpush/subscriptions/${name}-subscription`;
      await gate.commit('alice', [set(path('old'), subscription())]);
      await gate.commit('alice', [set(`${path('old')}/validate`, tokenOf(pushes[0]))]);
      await gate.commit('alice', [set(path('waiting'), subscription())]);
      const waiting = tokenOf(pushes[1]);
      const before = await listAll();
      await refuse([
        { op: 'unset', key: path('old') },
        set(`${path('waiting')}/validate`, waiting),
        set(path('waiting'), subscription(GONE)),
      ]);
      assert.deepEqual(await listAll(), before);
      await refuse([{ op: 'unset', key: path('old') }, set(path('new'), subscription()), refused]);
      assert.deepEqual(await listAll(), before);
      await gate.commit('alice', [set(`${path('waiting')}/validate`, waiting)]);
    });

    it('and leaves alone what others have done since', async () => {
      const old = `${SERVER}webpush/subscriptions/old-subscription`;
      await gate.commit('alice', [set(old, subscription())]);
      meanwhile = async () => {
        meanwhile = () => Promise.resolve();
        await gate.commit('alice', [set(comment, 'theirs')]);
        await gate.commit('alice', [set(old, subscription('https://push.example.net/2'))]);
      };
      await refuse([...settings, { op: 'unset', key: old }, refused]);
      assert.equal((await gate.lookup('alice', comment))?.toString(), 'theirs');
      assert.match((await read('webpush/subscriptions/old-subscription')) ?? '', /\/2"/);
      assert.equal(await read(`webpush/subscriptions/${ID}`), undefined);
    });
  });

  it('takes a subscription back when the rest of its transaction cannot be stored', async () => {
    const key = `priv/${GUID}/count`;
    const register = set(`${SERVER}webpush/subscriptions/${ID}`, subscription());
    assert.equal(
      await gate.commit('alice', [register, { op: 'increment', key, by: 1 }]),
      'missing',
    );
    assert.deepEqual(await store.list('alice', ''), []);
    await gate.commit('alice', [set(key, 'no number')]);
    await assert.rejects(
      gate.commit('alice', [register, { op: 'increment', key, by: 1 }]),
      /number/,
    );
    assert.equal(await read(`webpush/subscriptions/${ID}`), undefined);
  });

  it('keeps one whose push service is slow', async () => {
    attempt = 'deferred';
    await gate.commit('alice', [set(`${SERVER}webpush/subscriptions/${ID}`, subscription())]);
    assert.match((await read(`webpush/subscriptions/${ID}`)) ?? '', /"validated":false/);
  });

  it('refuses everything else below webpush/', async () => {
    for (const entry of ['webpush/vapid', 'webpush/foo', 'webpush']) {
      await assert.rejects(gate.commit('alice', [set(SERVER + entry, 'x')]), /unable to set/);
    }
  });

  const path = `${SERVER}webpush/subscriptions/${ID}`;
  const lockOut = (): void => {
    for (let count = 0; count < 10; count++) throttle.refused('alice');
  };
  const refusals = (): number | undefined => throttle.snapshot()[0]?.refusals;

  it('throttles the subscriptions of who is refused again and again, and no removal', async () => {
    const bad = set(path, '{}');
    for (let round = 0; round < 4; round++) {
      await assert.rejects(gate.commit('alice', [bad]), /subscription/);
    }
    assert.deepEqual(held, [], 'granted');
    const good = set(path, subscription());
    const enable = set(`${SERVER}coi/config/enabled`, 'yes');
    for (const changes of [[good], [enable, good]]) {
      await assert.rejects(gate.commit('alice', changes), /too many refused annotations/);
    }
    assert.equal(await read('coi/config/enabled'), undefined);
    assert.deepEqual(held.splice(0), [4_000, 4_000]);
    assert.deepEqual(pushes, []);
    assert.equal(await gate.commit('alice', [{ op: 'unset', key: path }]), 'committed');
    await gate.commit('bob', [good]);
    assert.deepEqual(held, []);
    throttle.lift('alice');
    await gate.commit('alice', [good]);
  });

  it('takes the right validation, in time, and right settings of a user who is locked out', async () => {
    await gate.commit('alice', [set(path, subscription())]);
    now += 300_000;
    lockOut();
    await gate.commit('alice', [set(`${path}/validate`, tokenOf(pushes[0]))]);
    assert.match((await read(`webpush/subscriptions/${ID}`)) ?? '', /"validated":true/);
    await gate.commit('alice', [set(`${SERVER}coi/config/enabled`, 'yes')]);
    assert.deepEqual(held, []);
  });

  it('holds back each NO to a user who is locked out, and counts it', async () => {
    await gate.commit('alice', [set(path, subscription())]);
    lockOut();
    for (const change of [
      set(`${path}/validate`, 'guessed'),
      set(`${SERVER}coi/config/enabled`, 'true'),
      { op: 'unset', key: `${SERVER}coi/nonsense` } as const,
    ]) {
      const before = refusals() ?? 0;
      await assert.rejects(gate.commit('alice', [change]), /invalid|unable/);
      assert.equal(refusals(), before + 1);
    }
    assert.deepEqual(held, [4_000, 4_000, 4_000]);
  });

  it('does not mix private and shared annotations in one commit', async () => {
    const changes = [set(`priv/${GUID}/comment`, 'x'), set(`shared/${GUID}/comment`, 'y')];
    await assert.rejects(gate.commit('alice', changes), /both private and shared/);
    assert.equal(await gate.lookup('alice', `priv/${GUID}/comment`), undefined);
  });
});

async function list(gate: Gate, user: string, path: string): Promise<StoreEntry[]> {
  const entries: StoreEntry[] = [];
  for await (const page of gate.iterate(user, path, { noValue: false })) entries.push(...page);
  return entries;
}
