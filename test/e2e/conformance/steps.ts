import assert from 'node:assert/strict';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deliver } from '../../../src/cli/demo/lmtp-client.ts';
import type { Clock } from '../../../src/clock.ts';
import { hashAddress } from '../../../src/coi/blocked-contact.ts';
import type { MessageFilter } from '../../../src/coi/settings.ts';
import type { ImapClient } from '../../support/imap-client.ts';
import { eventually, VENDOR, type Stage } from '../../support/start-stage.ts';
import type { UserAgent } from '../../support/user-agent.ts';

export { eventually, VENDOR };

export const CONFIG = `${VENDOR}/coi/config`;
export const ENABLED = `${CONFIG}/enabled`;
export const FILTER = `${CONFIG}/message-filter`;
export const MAILBOX_ROOT = `${CONFIG}/mailbox-root`;
export const VAPID = `${VENDOR}/webpush/vapid`;
export const SUBSCRIPTIONS = `${VENDOR}/webpush/subscriptions`;

export interface Account {
  user: string;
  client: ImapClient;
}

/** Someone who has just been given an account. */
export async function newAccount(stage: Stage): Promise<Account> {
  const user = stage.freshUser();
  return { user, client: await stage.login(user) };
}

/** Someone who has enabled COI. */
export async function coiAccount(stage: Stage, filter?: MessageFilter): Promise<Account> {
  const account = await newAccount(stage);
  if (filter !== undefined) await set(account.client, FILTER, filter);
  await set(account.client, ENABLED, 'yes');
  return account;
}

/** SETMETADATA that must succeed; null is NIL. */
export async function set(client: ImapClient, entry: string, value: string | null): Promise<void> {
  const { status, text } = await client.setMetadata('', entry, value);
  assert.equal(status, 'OK', `${entry}: ${text}`);
}

/** SETMETADATA that must be answered with NO and change nothing. */
export async function refuse(
  client: ImapClient,
  entry: string,
  value: string | null,
  why = value,
): Promise<string> {
  const before = await get(client, entry);
  const { status, text } = await client.setMetadata('', entry, value);
  assert.equal(status, 'NO', `${entry}: ${why ?? 'NIL'}`);
  assert.equal(await get(client, entry), before, 'nothing has changed');
  return text;
}

/** One server annotation; null when there is none. */
export async function get(client: ImapClient, entry: string): Promise<string | null> {
  const [value = null] = (await client.getMetadata('', [entry])).values();
  return value;
}

/** The flags of each message by UID, `$Chat` and all; `\Recent` left out. */
export async function flagsIn(client: ImapClient, mailbox: string): Promise<string[][]> {
  await client.ok(`EXAMINE "${mailbox}"`);
  const { untagged } = await client.ok('UID FETCH 1:* (FLAGS)');
  await client.ok('UNSELECT');
  return untagged.flatMap((line) => {
    const flags = /FLAGS \(([^)]*)\)/.exec(line)?.[1];
    if (flags === undefined || !line.includes('FETCH')) return [];
    return [flags.split(' ').filter((flag) => flag !== '' && flag !== '\\Recent')];
  });
}

/** The first line of a message's body. */
export async function readBody(client: ImapClient, mailbox: string, uid: number): Promise<string> {
  await client.ok(`EXAMINE "${mailbox}"`);
  const { untagged } = await client.ok(`UID FETCH ${uid} (BODY[TEXT])`);
  await client.ok('UNSELECT');
  return /\r\n(.*)\r\n/.exec(untagged.join())?.[1] ?? '';
}

/** Mailboxes that can be selected, sorted. */
export async function mailboxes(client: ImapClient, pattern = 'COI/*'): Promise<string[]> {
  const present: string[] = [];
  for (const name of await namesOf(client, 'LIST', pattern)) {
    // LIST shows parents too that are none, and in Maildir++ not always that they are \Noselect.
    if ((await client.command(`STATUS "${name}" (MESSAGES)`)).status === 'OK') present.push(name);
  }
  return present;
}

/** Names that are subscribed, sorted. */
export const subscribed = (client: ImapClient, pattern = 'COI/*'): Promise<string[]> =>
  namesOf(client, 'LSUB', pattern);

async function namesOf(
  client: ImapClient,
  command: 'LIST' | 'LSUB',
  pattern: string,
): Promise<string[]> {
  const { untagged } = await client.ok(`${command} "" "${pattern}"`);
  return untagged.map((line) => line.replace(/^.* "?\/"? "?/, '').replace(/"$/, '')).sort();
}

/**
 * Until all that Dovecot has reported so far has had its effect: mostly before the command that
 * caused it is answered, but on a busy machine from the journal or the event log, a moment later.
 */
export async function settle(stage: Stage): Promise<void> {
  const { intake, journal, logs } = stage.app.flows;
  await eventually(async () => {
    await intake.drain();
    await logs.takeIn();
    await journal.takeIn();
    assert.equal(journal.waiting(), 0);
  }, 15_000);
}

/** Until every push that is owed was taken or given up: what has not come by then does not come. */
export async function settlePushes(stage: Stage): Promise<void> {
  await settle(stage);
  await eventually(() => assert.equal(stage.app.domain.delivery.levels().owed, 0), 15_000);
}

/** The subjects of all messages, in their order. */
export async function subjectsIn(client: ImapClient, mailbox: string): Promise<string[]> {
  await client.ok(`EXAMINE "${mailbox}"`);
  const { untagged } = await client.ok('UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])');
  await client.ok('UNSELECT');
  return untagged.flatMap((line) => /^Subject: (.*)\r$/m.exec(line)?.[1] ?? []);
}

/** Lines of Dovecot's log that are errors and name a user; waits for the first. */
export async function errorsOf(stage: Stage, user: string): Promise<string[]> {
  return eventually(() => {
    const lines = stage.dovecot.errors().filter((line) => line.includes(user));
    assert.notEqual(lines.length, 0, 'nothing was logged');
    return lines;
  });
}

let messages = 0;

/** Header lines and a body as a message; each has a Message-ID of its own unless the headers say one. */
export function message(headers: readonly string[], body = 'Hello\r\n'): Buffer {
  const named = headers.some((line) => /^message-id:/i.test(line));
  const id = `Message-ID: <m${++messages}@example.org>`;
  const from = headers.some((line) => /^from:/i.test(line)) ? [] : ['From: alice@example.org'];
  return Buffer.from([...from, ...(named ? [] : [id]), ...headers, '', body].join('\r\n'));
}

export const chat = (...headers: string[]): Buffer => message(['Chat-Version: 1.0', ...headers]);

export const mail = (...headers: string[]): Buffer => message(headers);

/** A contact storage message; by default its contact is blocked. */
export const contact = (addresses: readonly string[], state = ['COI-Blocked: yes']): Buffer =>
  message([
    ...addresses.map((address) => `COI-From-Hash: ${hashAddress(address)}`),
    ...state,
    ...['Subject: Contact', 'Chat-Version: 1.0', 'Chat-Content: contact'],
  ]);

/** By LMTP; must be accepted for everyone. */
export async function deliverTo(
  stage: Stage,
  recipients: string | readonly string[],
  text: Buffer,
): Promise<{ elapsedMsecs: number }> {
  const { replies, elapsedMsecs } = await deliver(
    stage.dovecot.lmtp,
    'alice@example.org',
    typeof recipients === 'string' ? [recipients] : recipients,
    text,
  );
  for (const { code, text: said } of replies) assert.equal(code, 250, said);
  return { elapsedMsecs };
}

/** The user's home directory. */
export const homeOf = (stage: Stage, user: string): string =>
  join(stage.dovecot.layout.mailDir, user);

/** Gives a user a Sieve script of their own. */
export async function userScript(stage: Stage, user: string, script: string): Promise<void> {
  const home = homeOf(stage, user);
  const file = join(home, '.dovecot.sieve');
  await mkdir(home, { recursive: true });
  await writeFile(file, script);
  for (const path of [home, file]) await chown(path, stage.dovecot.mailUid, stage.dovecot.mailGid);
}

let ids = 0;

/** An ID that no other subscription has. */
export const newId = (): string => `subscription-${++ids}`;

export const pathOf = (id: string): string => `${SUBSCRIPTIONS}/${id}`;

/** What a client stores, as JSON. */
export const subscription = (
  agent: Pick<UserAgent, 'resource'>,
  entries: Record<string, unknown> = {},
): string =>
  JSON.stringify({
    client: 'My awesome WebPush App',
    device: 'My Favorite Smartphone',
    msgtype: 'all',
    resource: agent.resource,
    ...entries,
  });

/** Registers, takes the validation push, and validates. @returns the subscription's ID */
export async function subscribe(
  client: ImapClient,
  agent: UserAgent,
  entries: Record<string, unknown> = {},
  id = newId(),
): Promise<string> {
  const token = await register(client, agent, entries, id);
  await set(client, `${pathOf(id)}/validate`, token);
  return id;
}

/** Registers and takes the validation push. @returns the validation text */
export async function register(
  client: ImapClient,
  agent: UserAgent,
  entries: Record<string, unknown> = {},
  id = newId(),
): Promise<string> {
  await set(client, pathOf(id), subscription(agent, entries));
  return String((await agent.next()).payload['validation']);
}

/** A subscription as the list has it; null when there is none. */
export async function listed(
  client: ImapClient,
  id: string,
): Promise<Record<string, unknown> | null> {
  const json = (await client.getMetadata('', [SUBSCRIPTIONS], '1')).get(pathOf(id)) ?? null;
  return json === null ? null : (JSON.parse(json) as Record<string, unknown>);
}

/** The real time, put forward by hand. */
export interface SteppedClock extends Clock {
  step(msecs: number): void;
}

export function steppedClock(): SteppedClock {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    monotonic: () => performance.now() + ahead,
    step: (msecs) => {
      ahead += msecs;
    },
  };
}
