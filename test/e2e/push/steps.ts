import assert from 'node:assert/strict';
import { deliver } from '../../../src/cli/demo/lmtp-client.ts';
import type { ReadinessReport } from '../../../src/readiness.ts';
import type { ImapClient } from '../../support/imap-client.ts';
import { eventually, type Stage } from '../../support/start-stage.ts';
import type { UserAgent } from '../../support/user-agent.ts';
import { chat, coiAccount, mail, subscribe } from '../conformance/steps.ts';

/** An MTA waits much longer; the C plugin held mail for four seconds. */
const MAIL_MSECS = 3_000;

/** Whoever gets mail while things are broken. */
export interface Reader {
  user: string;
  client: ImapClient;
  agent: UserAgent;
  /** Message-IDs, of what was delivered and of what pushes told of, in their order. */
  sent: string[];
  pushed: string[];
}

export async function newReader(stage: Stage): Promise<Reader> {
  const { user, client } = await coiAccount(stage, 'active');
  const agent = await stage.userAgent();
  await subscribe(client, agent);
  return { user, client, agent, sent: [], pushed: [] };
}

let count = 0;

/** One chat message and one ordinary one; both are taken without delay, whatever is broken. */
export async function deliverBoth(stage: Stage, { user, sent }: Reader): Promise<void> {
  for (const kind of [chat, mail]) {
    const id = `m${++count}@failures.example`;
    const { replies, elapsedMsecs } = await deliver(
      stage.dovecot.lmtp,
      'a@example.org',
      [user],
      kind(`Message-ID: <${id}>`),
    );
    assert.equal(replies[0]?.code, 250, replies[0]?.text ?? 'no reply');
    assert.ok(elapsedMsecs < MAIL_MSECS, `LMTP took ${elapsedMsecs} ms`);
    sent.push(id);
  }
}

export async function nextPush({ agent, pushed }: Reader): Promise<Record<string, unknown>> {
  const { payload } = await agent.next(40_000);
  pushed.push(String(payload['msg-id']));
  return payload;
}

/** Everything that was delivered is in its mailbox, and was pushed; once, if its service took it at once. */
export async function nothingIsLost(reader: Reader, { repeats = false } = {}): Promise<void> {
  const { client, agent, sent, pushed } = reader;
  while (sent.some((id) => !pushed.includes(id))) await nextPush(reader);
  if (!repeats) {
    assert.deepEqual(pushed.toSorted(), sent.toSorted());
    assert.equal(agent.waiting, 0);
  }
  for (const mailbox of ['INBOX', 'COI/Chats']) {
    await eventually(async () => {
      const { untagged } = await client.ok(`STATUS "${mailbox}" (MESSAGES)`);
      assert.match(untagged.join(), new RegExp(`MESSAGES ${sent.length / 2}\\)`), mailbox);
    });
  }
}

export async function readyz(stage: Stage): Promise<ReadinessReport & { status: number }> {
  const response = await fetch(`${stage.app.url}/readyz`);
  return { ...((await response.json()) as ReadinessReport), status: response.status };
}

/** What is wrong according to /readyz, which says so with 503. */
export async function brokenParts(stage: Stage): Promise<Record<string, string>> {
  const { status, checks } = await readyz(stage);
  assert.equal(status, 503);
  return Object.fromEntries(Object.entries(checks).filter(([, says]) => !says.startsWith('ok')));
}

export const isReady = (stage: Stage): Promise<void> =>
  eventually(async () => {
    const report = await readyz(stage);
    assert.equal(report.status, 200, JSON.stringify(report));
  }, 15_000);
