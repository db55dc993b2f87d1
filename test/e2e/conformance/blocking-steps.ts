import type { MessageFilter } from '../../../src/coi/settings.ts';
import type { Stage } from '../../support/start-stage.ts';
import type { UserAgent } from '../../support/user-agent.ts';
import { chat, coiAccount, deliverTo, flagsIn, subscribe, type Account } from './steps.ts';

export const EVE = 'From: Eve <Eve@Example.org>';
export const BOB = 'From: Bob <bob@example.org>';

/** Someone who has enabled COI and hears of every message. */
export interface Person extends Account {
  agent: UserAgent;
}

export async function newPerson(stage: Stage, filter: MessageFilter = 'active'): Promise<Person> {
  const account = await coiAccount(stage, filter);
  const agent = await stage.userAgent();
  await subscribe(account.client, agent);
  return { ...account, agent };
}

/** Stores a contact, as clients do. */
export async function append({ client }: Account, message: Buffer): Promise<void> {
  await client.ok('APPEND COI/Contacts', message);
}

/** The flags of each message by mailbox. */
export const places = async ({ client }: Account) => ({
  inbox: await flagsIn(client, 'INBOX'),
  chats: await flagsIn(client, 'COI/Chats'),
  blocked: await flagsIn(client, 'Blocked'),
});

/** What was pushed up to the message of someone else, which is pushed in any case. */
export async function pushedSubjects(stage: Stage, { user, agent }: Person): Promise<unknown[]> {
  await deliverTo(stage, user, chat(BOB, 'Subject: the last'));
  const subjects: unknown[] = [];
  do subjects.push((await agent.next()).payload['subject']);
  while (subjects.at(-1) !== 'the last');
  return subjects.slice(0, -1);
}

/** How many messages were set aside after they had been delivered, rather than before. */
export async function movedAside(stage: Stage): Promise<number> {
  const { values } = await stage.app.ground.metrics.moves.get();
  return values.find(({ labels }) => labels.reason === 'blocked')?.value ?? 0;
}
