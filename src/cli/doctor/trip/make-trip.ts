import { randomUUID } from 'node:crypto';
import { COI_ENTRIES } from '../../../coi/settings.ts';
import { folderNames } from '../../../coi/folders.ts';
import { errorMessage } from '../../../errors.ts';
import { AnnotationRefusedError } from '../../demo/imap-metadata.ts';
import { startPushService, type PushService } from '../../demo/push-service.ts';
import { WORDS } from '../checks/capability.ts';
import { bearer } from '../setup/ask-http.ts';
import type { Setup } from '../setup/setup.ts';
import { admitReceiver } from './admit-receiver.ts';
import type { Postman } from './deliver-chat.ts';
import { openDoveadmHand } from './doveadm-hand.ts';
import { forgetStranger } from './forget-stranger.ts';
import { openImapHand, type ImapAddress } from './imap-hand.ts';
import {
  openScratchMailboxes,
  type FoundMessage,
  type ScratchMailboxes,
} from './scratch-mailboxes.ts';
import { TripEnd } from './trip-end.ts';
import type { UndoList } from './undo-list.ts';
import { until } from './until.ts';
import type { UserHand } from './user-hand.ts';

export interface TripParts {
  setup: Setup;
  user: string;
  /** One for each delivery agent. */
  postmen: readonly Postman[];
  /** Undefined: without a password there is no login. */
  imap: ImapAddress | undefined;
  undo: UndoList;
}

export interface TripLog {
  /** What went well, in the order of the trip. */
  stations: string[];
  /** What could not be tried. */
  skipped: string[];
}

/**
 * A chat message's whole way, for a scratch user: COI is enabled and a subscription validated as a
 * client would, a message is delivered as an MTA would, by one delivery agent after the other, and it has
 * to be found where it belongs and arrive as a push. Whatever was changed is noted in `undo`.
 *
 * @throws TripEnd at the first station that is not reached
 */
export async function makeTrip(parts: TripParts, log: TripLog): Promise<void> {
  const { setup, user, postmen, undo } = parts;
  const mailboxes = openScratchMailboxes(setup.doveadm, user);
  const before = await listBefore(mailboxes, user);
  const forget = await forgetStranger(setup, user);
  if (forget !== undefined) undo.push('what the service keeps of them', forget);
  const hand = await openHand(parts);
  undo.push('the connection', () => hand.close());
  log.stations.push(`annotations by ${hand.by}`);

  // Taken away last of all, when nothing makes them any more.
  undo.push('the folders of COI', async () => {
    const made = [...(await mailboxes.list())].filter((name) => !before.has(name));
    const { root, blocked } = names(setup);
    await mailboxes.removeEmpty(made.filter((name) => name.startsWith(root) || name === blocked));
  });
  await change(parts, hand, COI_ENTRIES.enabled, 'yes');
  await change(parts, hand, COI_ENTRIES.messageFilter, 'active');
  await waitForFolders(parts, mailboxes);
  log.stations.push('COI enabled, with its folders');

  const receiver = await subscribe(parts, hand, log);
  for (const postman of postmen) await sendOne(parts, postman, mailboxes, receiver, log);
}

/** A message's way from a delivery agent to the push. */
async function sendOne(
  parts: TripParts,
  postman: Postman,
  mailboxes: ScratchMailboxes,
  receiver: PushService | undefined,
  log: TripLog,
): Promise<void> {
  const { setup, user, undo } = parts;
  const since = await mailboxes.next();
  const messageId = `<chat$${randomUUID()}@coi-sidecar.invalid>`;
  undo.push('the message', async () => {
    for (const left of await mailboxes.find(messageId, since)) await mailboxes.expunge(left);
  });
  await postman.deliver(user, chatMessage(user, messageId));
  const deliveredAt = Date.now();
  log.stations.push(`delivered by ${postman.by}`);
  const copies = await until(setup.options.patienceMsecs, async () => {
    const found = await mailboxes.find(messageId, since);
    return found.length > 0 ? found : undefined;
  });
  checkFiled(parts, postman.by, copies);
  log.stations.push(`filed in ${names(setup).chats} with $Chat`);
  if (receiver === undefined) return;
  let push = await nextPush(receiver, 'no-push', parts);
  // What else comes for them is pushed as well. The angle brackets are left out.
  while (!messageId.includes(String(push.payload['msg-id']))) {
    push = await nextPush(receiver, 'no-push', parts);
  }
  log.stations.push(`pushed ${Math.max(0, push.at - deliveredAt)} ms later, and decrypted`);
}

const names = ({ config: { coi } }: Setup) =>
  folderNames(coi.mailbox_root, coi.mailbox_separator, coi.blocked_mailbox);

async function listBefore(mailboxes: ScratchMailboxes, user: string): Promise<Set<string>> {
  try {
    return await mailboxes.list();
  } catch (error) {
    throw new TripEnd('no-user', { user, problem: errorMessage(error) });
  }
}

async function openHand({ setup, user, imap }: TripParts): Promise<UserHand> {
  const { password } = setup.options;
  if (password === undefined || imap === undefined) return openDoveadmHand(setup.doveadm, user);
  const hand = await openImapHand(imap, user, password);
  const missing = WORDS.filter((word) => hand.capability?.has(word) !== true);
  if (missing.length > 0) {
    await hand.close();
    throw new TripEnd('capability-missing', { words: missing.join(' and '), user });
  }
  return hand;
}

/** Sets an annotation for the time of the trip. */
async function change(
  parts: TripParts,
  hand: UserHand,
  entry: string,
  value: string,
): Promise<void> {
  const before = await obey(parts, entry, () => hand.get(entry));
  if (before === value) return;
  parts.undo.push(`the annotation ${entry}`, async () => {
    await hand.set(entry, before);
    await tell(parts);
  });
  await put(parts, hand, entry, value);
}

async function put(parts: TripParts, hand: UserHand, entry: string, value: string): Promise<void> {
  await obey(parts, entry, () => hand.set(entry, value));
  await tell(parts);
}

/** @throws TripEnd the server said NO */
async function obey<T>({ user }: TripParts, entry: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AnnotationRefusedError)) throw error;
    throw new TripEnd('setting-refused', { entry, user });
  }
}

/** doveadm makes no notice; where Dovecot keeps the annotations, the service has to hear of it. */
async function tell({ setup, user }: TripParts): Promise<void> {
  const { config, ask, origin } = setup;
  if (config.metadata.source !== 'doveadm') return;
  await ask(new URL('/v1/imap-commands', origin), {
    method: 'POST',
    authorization: bearer(config.http.token),
    body: JSON.stringify({
      event: 'imap_command_finished',
      fields: { user, cmd_name: 'SETMETADATA' },
    }),
  });
}

async function waitForFolders(
  { setup, user }: TripParts,
  mailboxes: ScratchMailboxes,
): Promise<void> {
  const { chats, contacts, blocked } = names(setup);
  const made = await until(setup.options.patienceMsecs, async () => {
    const all = await mailboxes.list();
    return [chats, contacts, blocked].every((name) => all.has(name)) ? true : undefined;
  });
  if (made === undefined) throw new TripEnd('no-folders', { user, folder: chats });
}

/** @returns undefined when no push can arrive here */
async function subscribe(
  parts: TripParts,
  hand: UserHand,
  log: TripLog,
): Promise<PushService | undefined> {
  const { setup, user, undo } = parts;
  const receiver = await startPushService();
  undo.push('the receiver', () => receiver.close());
  const dismiss = await admitReceiver(setup, Number(new URL(receiver.resource.endpoint).port));
  if (dismiss === undefined) {
    log.skipped.push(
      'the push: without http.admin_token the service lets none through to this host',
    );
    return undefined;
  }
  undo.push('the way past the guard', dismiss);

  const entry = `webpush/subscriptions/${randomUUID()}`;
  undo.push(`the subscription ${entry}`, async () => {
    await hand.set(entry, null);
    await tell(parts);
  });
  const { resource } = receiver;
  const subscription = {
    client: 'coi-sidecar doctor',
    device: 'this host',
    msgtype: 'chat',
    resource,
  };
  await put(parts, hand, entry, JSON.stringify(subscription));
  const { payload } = await nextPush(receiver, 'no-validation', parts);
  await put(parts, hand, `${entry}/validate`, String(payload['validation']));
  const validated = await until(setup.options.patienceMsecs, async () =>
    /"validated":\s*true/.test((await hand.get(entry)) ?? '') ? true : undefined,
  );
  if (validated === undefined) throw new TripEnd('not-validated', { user });
  log.stations.push('subscription validated');
  return receiver;
}

async function nextPush(
  receiver: PushService,
  fault: 'no-validation' | 'no-push',
  { setup, user }: TripParts,
): ReturnType<PushService['next']> {
  const { patienceMsecs } = setup.options;
  try {
    return await receiver.next(patienceMsecs);
  } catch (error) {
    throw new TripEnd(fault, { user, problem: errorMessage(error) });
  }
}

/** @param copies virtual mailboxes may show a message once more; undefined: there is none */
function checkFiled(
  { setup, user }: TripParts,
  by: string,
  copies: readonly FoundMessage[] = [],
): void {
  const { chats } = names(setup);
  const filed = copies.find(({ mailbox }) => mailbox === chats);
  if (filed === undefined) {
    const elsewhere = copies.find(({ mailbox }) => mailbox === 'INBOX') ?? copies[0];
    if (elsewhere === undefined) throw new TripEnd('vanished', { user, by });
    const { mailbox } = elsewhere;
    if (mailbox === 'INBOX') throw new TripEnd('not-filed', { user, by, chats });
    throw new TripEnd('filed-elsewhere', { user, by, chats, mailbox });
  }
  if (!filed.flags.some((flag) => flag.toLowerCase() === '$chat')) {
    throw new TripEnd('no-keyword', { user, chats });
  }
}

const chatMessage = (user: string, messageId: string): string => `From: doctor@coi-sidecar.invalid
To: <${user}>
Subject: coi-sidecar doctor
Date: ${new Date().toUTCString().replace('GMT', '+0000')}
Message-ID: ${messageId}
Chat-Version: 1.0
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8

A message of "coi-sidecar doctor", which takes it away again.
`;
