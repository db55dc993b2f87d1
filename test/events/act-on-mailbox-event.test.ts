import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createFolders, folderNames } from '../../src/coi/folders.ts';
import { createOwnOperations } from '../../src/coi/own-operations.ts';
import { enabledChange, readSettings } from '../../src/coi/settings.ts';
import {
  DoveadmCommandError,
  EXIT_CODES,
  isNoSuchUser,
  type DoveadmClient,
  type DoveadmCommand,
} from '../../src/dovecot/doveadm-client.ts';
import { createActOnMailboxEvent } from '../../src/events/act-on-mailbox-event.ts';
import type { MailboxEvent } from '../../src/events/event-schema.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { Change, Store } from '../../src/stores/store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { recordLog, type RecordedLog } from '../support/record-log.ts';

const names = folderNames('COI', '/');
const ALL = [names.chats, names.contacts, names.blocked];

/**
 * As much of Dovecot as is asked of it, so that each branch can be had at will; with the real one:
 * test/e2e/conformance/coi-indirect.test.ts.
 */
class Mailboxes {
  readonly names: Set<string>;
  /** Commands that Dovecot refuses, with this exit code. */
  readonly refused = new Map<string, number>();
  /** Commands to which Dovecot does not answer. */
  readonly unanswered = new Set<string>();
  readonly specialUses = new Map<string, string>();
  readonly guids = new Map<string, string>();
  readonly asked: string[] = [];
  /** What was asked about, or changed. */
  readonly touched: string[] = [];
  readonly moves: unknown[] = [];
  /** Holds every command back. */
  wait: Promise<unknown> = Promise.resolve();
  /** Holds commands of one name back. */
  readonly waitFor = new Map<string, Promise<unknown>>();

  constructor(...existing: string[]) {
    this.names = new Set(existing);
  }

  readonly client = {
    run: async (command: DoveadmCommand) => {
      const result = await this.#run(command);
      if (result instanceof DoveadmCommandError) throw result;
      return result;
    },
    runAll: (commands: readonly DoveadmCommand[]) =>
      Promise.all(commands.map((command) => this.#run(command))),
  } as unknown as DoveadmClient;

  async #run(command: DoveadmCommand) {
    const { name, parameters } = command;
    this.asked.push(name);
    this.touched.push(
      ...([parameters['mailbox'] ?? parameters['mailboxMask'] ?? []].flat() as string[]),
    );
    await Promise.all([this.wait, this.waitFor.get(name)]);
    if (this.unanswered.has(name)) throw new UnavailableError('no answer');
    const exitCode = this.refused.get(name);
    if (exitCode !== undefined) return new DoveadmCommandError(command, 'exitCode', exitCode);
    const [mailbox = ''] = [parameters['mailbox'] ?? ''].flat() as string[];
    if (name === 'move') this.moves.push([parameters['query'], parameters['destinationMailbox']]);
    if (name === 'mailboxDelete') this.names.delete(mailbox);
    if (name === 'mailboxCreate') this.names.add(mailbox);
    if (name === 'mailboxRename') this.rename(mailbox, String(parameters['newName']));
    const [named] = [parameters['mailboxMask'] ?? []].flat().map(String);
    const guid = this.guids.get(named ?? '');
    if (named !== undefined && guid !== undefined) return [{ mailbox: named, guid }];
    if (name === 'mailboxMetadataGet') return [{ value: this.specialUses.get(mailbox) ?? '' }];
    const [mask = ''] = (parameters['mailboxMask'] ?? []) as string[];
    return [...this.names].filter((one) => `${one}%` === mask).map((one) => ({ mailbox: one }));
  }

  /** With what is below it; one whose place is taken stays where it is, and Dovecot 2.3 calls that done. */
  rename(from: string, to: string): void {
    for (const name of [...this.names]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue;
      const target = to + name.slice(from.length);
      if (this.names.has(target)) continue;
      this.names.delete(name);
      this.names.add(target);
    }
  }
}

const created: MailboxEvent = { event: 'MailboxCreate', mailbox: names.chats };
const deleted: MailboxEvent = { event: 'MailboxDelete', mailbox: names.chats };
const renamed = (from: string, to: string): MailboxEvent => ({
  event: 'MailboxRename',
  mailbox: to,
  mailbox_old: from,
});

describe('what becomes of COI with the Chats mailbox', () => {
  let store: Store;
  let recorded: RecordedLog;
  /** Users whose new state clients were shown, and the state then. */
  let published: [user: string, enabled: boolean][];
  let transitions: string[];
  /** Users whose Chats was made anew. */
  let restored: Set<string>;
  /** For how long it is quiet. */
  let moment: Promise<unknown>;

  beforeEach(() => {
    store = new MemoryStore();
    recorded = recordLog();
    published = [];
    transitions = [];
    restored = new Set();
    moment = Promise.resolve();
  });

  const isEnabled = async (user = 'alice'): Promise<boolean> =>
    (await readSettings(store, user)).enabled;
  const enable = (user = 'alice') => store.commit(user, [enabledChange(true)]);
  /** An event that is handled later than it happened. */
  const acting = (mailboxes: Mailboxes) => {
    const act = actingOn(mailboxes);
    return (user: string, event: MailboxEvent) => act(user, event, false);
  };
  const actingOn = (mailboxes: Mailboxes) =>
    createActOnMailboxEvent({
      store,
      folders: createFolders(mailboxes.client, names, createOwnOperations()),
      takeRestored: (user) => restored.delete(user),
      doveadm: mailboxes.client,
      runMoves: (_user, commands) => mailboxes.client.runAll(commands),
      rules: { folders: names, separator: '/', trash: ['Trash'] },
      publish: async (user) => void published.push([user, await isEnabled(user)]),
      onTransition: (state) => transitions.push(state),
      sleep: () => moment,
      log: recorded.log,
    });
  function expectChange(enabled: boolean): void {
    const state = enabled ? 'enabled' : 'disabled';
    assert.deepEqual(published, [['alice', enabled]], 'shown once it is stored');
    assert.deepEqual(transitions, [state]);
    const said = recorded.lines.find(({ msg }) => msg.startsWith('COI follows'));
    assert.deepEqual([said?.['user'], said?.['state']], ['alice', state]);
  }
  function expectNoChange(): void {
    assert.deepEqual([published, transitions], [[], []]);
  }

  for (const [what, event] of [
    ['CREATE of Chats', created],
    ['RENAME to Chats', renamed('Old', names.chats)],
    ['RENAME of a parent that holds Chats', renamed('Old', 'COI')],
  ] as const) {
    it(`${what} enables it, with all its mailboxes`, async () => {
      const mailboxes = new Mailboxes('INBOX', names.chats);
      await acting(mailboxes)('alice', event);
      assert.equal(await isEnabled(), true);
      assert.deepEqual([...mailboxes.names].sort(), ['INBOX', ...ALL].sort());
      expectChange(true);
    });
  }

  it('CREATE of Chats, when the other mailboxes cannot be made: nothing yet, to be tried again', async () => {
    const mailboxes = new Mailboxes(names.chats);
    mailboxes.refused.set('mailboxCreate', EXIT_CODES.temporaryFailure);
    const act = acting(mailboxes);
    await assert.rejects(act('alice', created), /cannot create the mailbox "COI\/Contacts"/);
    assert.equal(await isEnabled(), false);
    expectNoChange();
    mailboxes.refused.clear();
    await act('alice', created);
    expectChange(true);
  });

  it('DELETE of Chats disables it', async () => {
    await enable();
    await acting(new Mailboxes('COI'))('alice', deleted);
    assert.equal(await isEnabled(), false);
    expectChange(false);
  });

  it('DELETE of Chats that is reported after chat had it made anew disables it, once', async () => {
    await enable();
    restored.add('alice');
    const act = acting(new Mailboxes(names.chats));
    await act('alice', renamed(names.chats, 'Elsewhere'));
    assert.equal(await isEnabled(), true);
    await act('alice', deleted);
    assert.equal(await isEnabled(), false);
    expectChange(false);
    await enable();
    await act('alice', deleted);
    assert.equal(await isEnabled(), true);
  });

  for (const [from, to] of [
    [names.chats, 'Trash/Chats'],
    [names.chats, 'Trash'],
    ['COI', 'Trash/COI'],
  ] as const) {
    it(`RENAME of ${from} to ${to} disables it, and stays`, async () => {
      await enable();
      const mailboxes = new Mailboxes(...ALL);
      mailboxes.rename(from, to);
      await acting(mailboxes)('alice', renamed(from, to));
      assert.equal(await isEnabled(), false);
      assert.ok(!mailboxes.names.has(names.chats));
      expectChange(false);
    });
  }

  for (const to of ['Bin/Chats', 'Bin/2024/Chats', 'Bin']) {
    it(`RENAME of Chats to ${to}, which has the special use or is below it, disables it`, async () => {
      await enable();
      const mailboxes = new Mailboxes(...ALL);
      mailboxes.specialUses.set('Bin', '\\Junk \\Trash');
      mailboxes.rename(names.chats, to);
      await acting(mailboxes)('alice', renamed(names.chats, to));
      assert.equal(await isEnabled(), false);
      assert.ok(mailboxes.names.has(to), 'it stays there');
      expectChange(false);
    });
  }

  it('RENAME of Chats is undone where doveadm may not tell special uses', async () => {
    await enable();
    const mailboxes = new Mailboxes('Elsewhere');
    mailboxes.unanswered.add('mailboxMetadataGet');
    await acting(mailboxes)('alice', renamed(names.chats, 'Elsewhere'));
    assert.equal(await isEnabled(), true);
    assert.ok(mailboxes.names.has(names.chats));
  });

  for (const [from, to] of [
    [names.chats, 'Elsewhere'],
    ['COI', 'Elsewhere'],
    [names.chats, 'Trashcan/Chats'],
  ] as const) {
    it(`RENAME of ${from} to ${to} is undone`, async () => {
      await enable();
      const mailboxes = new Mailboxes(...ALL);
      mailboxes.rename(from, to);
      await acting(mailboxes)('alice', renamed(from, to));
      assert.equal(await isEnabled(), true);
      assert.deepEqual([...mailboxes.names].sort(), [...ALL].sort());
      expectNoChange();
      assert.deepEqual(recorded.said('info'), ['undid a rename that would have taken Chats away']);
    });
  }

  it('RENAME of Chats that cannot be undone disables it', async () => {
    await enable();
    const mailboxes = new Mailboxes('Elsewhere');
    mailboxes.refused.set('mailboxRename', EXIT_CODES.dataError);
    await acting(mailboxes)('alice', renamed(names.chats, 'Elsewhere'));
    assert.equal(await isEnabled(), false);
    assert.ok(recorded.said('warn').includes('cannot undo a rename'));
    expectChange(false);
  });

  for (const [from, to] of [
    [names.chats, 'Elsewhere'],
    ['COI', 'Elsewhere'],
  ] as const) {
    it(`RENAME of ${from}, and chat had Chats made anew: the mail comes back, COI stays`, async () => {
      await enable();
      const mailboxes = new Mailboxes(...ALL);
      mailboxes.rename(from, to);
      mailboxes.names.add(names.chats);
      await acting(mailboxes)('alice', renamed(from, to));
      assert.equal(await isEnabled(), true);
      assert.deepEqual([...mailboxes.names].sort(), [...ALL].sort());
      const away = to + names.chats.slice(from.length);
      assert.deepEqual(mailboxes.moves, [[['mailbox', away, 'keyword', '$Chat'], names.chats]]);
      expectNoChange();
    });
  }

  it('RENAME of COI, and chat has Chats made anew while that is undone: the mail comes back', async () => {
    await enable();
    const mailboxes = new Mailboxes(...ALL);
    mailboxes.rename('COI', 'Elsewhere');
    const { promise, resolve } = Promise.withResolvers<undefined>();
    mailboxes.waitFor.set('mailboxRename', promise);
    const acted = acting(mailboxes)('alice', renamed('COI', 'Elsewhere'));
    while (!mailboxes.asked.includes('mailboxRename'))
      await new Promise((next) => setImmediate(next));
    mailboxes.names.add(names.chats);
    resolve(undefined);
    await acted;
    assert.deepEqual([...mailboxes.names].sort(), [...ALL].sort());
    const query = ['mailbox', 'Elsewhere/Chats', 'keyword', '$Chat'];
    assert.deepEqual(mailboxes.moves, [[query, names.chats]]);
    expectNoChange();
  });

  it('RENAME of Chats of which nobody knows whether it is undone: nothing yet, to be tried again', async () => {
    await enable();
    const mailboxes = new Mailboxes('Elsewhere');
    const act = acting(mailboxes);
    const event = renamed(names.chats, 'Elsewhere');
    mailboxes.unanswered.add('mailboxRename');
    await assert.rejects(act('alice', event), UnavailableError);
    mailboxes.unanswered.clear();
    mailboxes.refused.set('mailboxRename', EXIT_CODES.temporaryFailure);
    await assert.rejects(act('alice', event), DoveadmCommandError);
    mailboxes.refused.clear();
    await act('alice', event);
    assert.equal(await isEnabled(), true);
    expectNoChange();
  });

  it('other mailboxes change nothing, and Dovecot is not asked', async () => {
    await enable();
    const mailboxes = new Mailboxes(...ALL, 'Other');
    const act = acting(mailboxes);
    await act('alice', { event: 'MailboxCreate', mailbox: 'Other' });
    await act('alice', { event: 'MailboxDelete', mailbox: names.contacts });
    await act('alice', { event: 'MailboxDelete', mailbox: 'COI/Chats/deeper' });
    await act('alice', renamed('Other', 'COI/Other'));
    assert.equal(await isEnabled(), true);
    expectNoChange();
    assert.deepEqual(mailboxes.asked, []);
  });

  for (const [what, state, event, existing] of [
    ['Chats created, which enabled COI already', true, created, [names.chats]],
    ['Chats deleted, where COI is disabled', false, deleted, []],
    ['Chats created, and deleted since', false, created, []],
    ['Chats deleted, and created since', true, deleted, [names.chats]],
    ['Chats renamed, and renamed back since', true, renamed(names.chats, 'X'), [names.chats]],
    ['only a mailbox below Chats is left', false, created, ['COI/Chats/deeper']],
  ] as const) {
    it(`an event that is late, or comes twice, changes nothing: ${what}`, async () => {
      if (state) await enable();
      await acting(new Mailboxes(...existing))('alice', event);
      assert.equal(await isEnabled(), state);
      expectNoChange();
    });
  }

  for (const [what, event] of [
    ['CREATE', created],
    ['DELETE', deleted],
    ['RENAME', renamed(names.chats, 'Elsewhere')],
    ['CREATE by another name', { ...created, mailbox: 'old/COI/Chats' }],
  ] as const) {
    it(`${what} of a user whom Dovecot does not know: nothing is stored`, async () => {
      const mailboxes = new Mailboxes();
      for (const name of ['mailboxStatus', 'mailboxMetadataGet', 'mailboxRename']) {
        mailboxes.refused.set(name, EXIT_CODES.noSuchUser);
      }
      await acting(mailboxes)('alice', event).catch((error: unknown) => {
        assert.ok(isNoSuchUser(error));
      });
      assert.deepEqual(await store.list('alice', ''), []);
      expectNoChange();
    });
  }

  it('Dovecot does not answer: nothing yet, to be tried again', async () => {
    await enable();
    const mailboxes = new Mailboxes();
    mailboxes.refused.set('mailboxStatus', EXIT_CODES.temporaryFailure);
    await assert.rejects(acting(mailboxes)('alice', deleted), DoveadmCommandError);
    assert.equal(await isEnabled(), true);
    expectNoChange();
  });

  it('a rename that is reported twice at once is undone once; other users do not wait', async () => {
    await enable();
    const mailboxes = new Mailboxes('Elsewhere');
    const { promise, resolve } = Promise.withResolvers<undefined>();
    mailboxes.wait = promise;
    const act = acting(mailboxes);
    const both = [1, 2].map(() => act('alice', renamed(names.chats, 'Elsewhere')));
    const other = act('bob', deleted);
    await other;
    resolve(undefined);
    await Promise.all(both);
    assert.equal(await isEnabled(), true);
    assert.equal(mailboxes.asked.filter((name) => name === 'mailboxRename').length, 1);
    expectNoChange();
  });

  describe('by a name that may stand for Chats in another namespace', () => {
    it('DELETE disables COI, if Chats is gone', async () => {
      await enable();
      await acting(new Mailboxes('INBOX'))('alice', { ...deleted, mailbox: 'old/COI/Chats' });
      assert.equal(await isEnabled(), false);
    });

    it('RENAME is undone, if Chats is gone', async () => {
      await enable();
      const mailboxes = new Mailboxes('Elsewhere');
      await acting(mailboxes)('alice', renamed('old/COI/Chats', 'old/Elsewhere'));
      assert.equal(await isEnabled(), true);
      assert.deepEqual([...mailboxes.names], [names.chats]);
    });

    for (const [what, guid, enabled] of [
      ['enables COI, if it is Chats', 'guid of COI/Chats', true],
      ['changes nothing, if it is not', 'guid of another', false],
    ] as const) {
      it(`CREATE ${what}`, async () => {
        const mailboxes = new Mailboxes(names.chats);
        mailboxes.guids.set('old/COI/Chats', guid);
        mailboxes.guids.set(names.chats, 'guid of COI/Chats');
        await acting(mailboxes)('alice', { ...created, mailbox: 'old/COI/Chats' });
        assert.equal(await isEnabled(), enabled);
      });
    }

    it('what is done to a mailbox of a like name changes nothing', async () => {
      await enable();
      const mailboxes = new Mailboxes(...ALL, 'Work/X');
      const act = acting(mailboxes);
      await act('alice', { ...deleted, mailbox: 'Work/COI/Chats' });
      await act('alice', renamed('Work/COI/Chats', 'Work/X'));
      assert.equal(await isEnabled(), true);
      assert.deepEqual(mailboxes.moves, []);
      expectNoChange();
    });
  });

  describe('while Dovecot waits, and holds the lock that its own answers would need', () => {
    for (const [what, event, wanted] of [
      ['CREATE', created, true],
      ['RENAME to Chats', renamed('Old', names.chats), true],
      ['DELETE', deleted, false],
      ['RENAME to the trash', renamed(names.chats, 'Trash/Chats'), false],
    ] as const) {
      it(`${what}: stored before Dovecot is asked for anything`, async () => {
        if (!wanted) await enable();
        const mailboxes = new Mailboxes(...(wanted ? [names.chats] : []));
        const { promise, resolve } = Promise.withResolvers<undefined>();
        mailboxes.wait = promise;
        const acted = actingOn(mailboxes)('alice', event, true);
        for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next));
        assert.equal(await isEnabled(), wanted);
        assert.deepEqual(transitions, [wanted ? 'enabled' : 'disabled']);
        resolve(undefined);
        await acted;
        if (wanted) assert.deepEqual([...mailboxes.names].sort(), [...ALL].sort());
      });
    }

    it('CREATE: Chats is not opened, which a client may be making anew by then', async () => {
      const mailboxes = new Mailboxes(names.chats);
      await actingOn(mailboxes)('alice', created, true);
      const chats = mailboxes.touched.filter((name) => name.startsWith(names.chats));
      assert.deepEqual(chats, [names.chats], 'to subscribe it');
      assert.ok(mailboxes.asked.includes('mailboxSubscribe'));
    });

    it('nothing is asked while the client goes on, and once when it is quiet', async () => {
      const mailboxes = new Mailboxes(names.chats);
      const { promise, resolve } = Promise.withResolvers<undefined>();
      moment = promise;
      const act = actingOn(mailboxes);
      const acted = [created, deleted, created].map((event) => async () => {
        const acting = act('alice', event, true);
        const wanted = event === created;
        while ((await isEnabled()) !== wanted) await new Promise((next) => setImmediate(next));
        return { acting };
      });
      const all: Promise<void>[] = [];
      for (const one of acted) all.push((await one()).acting);
      for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next));
      assert.deepEqual(mailboxes.asked, []);
      resolve(undefined);
      await Promise.all(all);
      assert.deepEqual(published, [['alice', true]]);
    });

    for (const during of ['mailboxStatus', 'mailboxCreate']) {
      it(`CREATE, and a DELETE while Dovecot is at ${during}: no further step`, async () => {
        const mailboxes = new Mailboxes(names.chats);
        const { promise, resolve } = Promise.withResolvers<undefined>();
        mailboxes.waitFor.set(during, promise);
        const act = actingOn(mailboxes);
        const both = [act('alice', created, true)];
        while (!mailboxes.asked.includes(during)) await new Promise((next) => setImmediate(next));
        both.push(act('alice', deleted, true));
        while (await isEnabled()) await new Promise((next) => setImmediate(next));
        resolve(undefined);
        await Promise.all(both);
        assert.ok(!mailboxes.asked.includes('mailboxSubscribe'));
        assert.equal(mailboxes.asked.includes('mailboxCreate'), during === 'mailboxCreate');
        assert.deepEqual(published.at(-1), ['alice', false]);
      });
    }

    it('CREATE of a user whom Dovecot does not know: nothing stays', async () => {
      const mailboxes = new Mailboxes();
      mailboxes.refused.set('mailboxStatus', EXIT_CODES.noSuchUser);
      const noSuchUser = { exitCode: EXIT_CODES.noSuchUser };
      await assert.rejects(actingOn(mailboxes)('alice', created, true), noSuchUser);
      assert.deepEqual(await store.list('alice', ''), []);
      assert.deepEqual(transitions, ['enabled', 'disabled']);
      assert.deepEqual(mailboxes.asked, ['mailboxStatus', 'mailboxStatus'], 'in one request');
    });

    it('nor does it when Dovecot could not be asked at first', async () => {
      const mailboxes = new Mailboxes();
      mailboxes.unanswered.add('mailboxStatus');
      await assert.rejects(actingOn(mailboxes)('alice', created, true), UnavailableError);
      assert.equal(await isEnabled(), true);
      mailboxes.unanswered.clear();
      mailboxes.refused.set('mailboxStatus', EXIT_CODES.noSuchUser);
      await assert.rejects(acting(mailboxes)('alice', created), DoveadmCommandError);
      assert.deepEqual(await store.list('alice', ''), []);
    });

    it('who has more here than that is left alone: "users forget" removes all of it', async () => {
      const filter = { op: 'set', key: 'coi/config/message-filter', value: Buffer.from('seen') };
      await store.commit('alice', [filter as Change]);
      const mailboxes = new Mailboxes();
      mailboxes.refused.set('mailboxStatus', EXIT_CODES.noSuchUser);
      await assert.rejects(actingOn(mailboxes)('alice', created, true), DoveadmCommandError);
      assert.equal((await store.list('alice', '')).length, 2);
    });

    it('another refusal takes nothing back', async () => {
      const mailboxes = new Mailboxes();
      mailboxes.refused.set('mailboxStatus', EXIT_CODES.noPermission);
      await assert.rejects(actingOn(mailboxes)('alice', created, true), DoveadmCommandError);
      assert.equal(await isEnabled(), true);
    });

    it('of a user who has COI enabled, Dovecot is asked nothing', async () => {
      await enable();
      const mailboxes = new Mailboxes(names.chats);
      await actingOn(mailboxes)('alice', created, true);
      assert.deepEqual(mailboxes.asked, []);
    });

    it('what could not be made then is made when the event comes again', async () => {
      const mailboxes = new Mailboxes(names.chats);
      mailboxes.refused.set('mailboxCreate', EXIT_CODES.temporaryFailure);
      await assert.rejects(actingOn(mailboxes)('alice', created, true), /cannot create/);
      assert.equal(await isEnabled(), true);
      mailboxes.refused.clear();
      await acting(mailboxes)('alice', created);
      assert.deepEqual([...mailboxes.names].sort(), [...ALL].sort());
    });
  });
});
