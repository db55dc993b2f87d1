import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import { chat, coiAccount, deliverTo, flagsIn, settle } from './conformance/steps.ts';

/** What Dovecot reports when a client marks all messages of a large INBOX as seen at once. */
const seen = (user: string, count: number, after = 0): string => {
  const events = Array.from({ length: count }, (_, index) => ({
    ...{
      event: 'MessageRead',
      mailbox: 'INBOX',
      uid: after + index + 1,
      uidvalidity: 1_700_000_000,
    },
  }));
  return JSON.stringify({ user, service: 'imap', events });
};

describeVersions('a STORE that marks very many messages as seen', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
  });

  async function reader(): Promise<{ user: string; filed: () => Promise<void> }> {
    const { user, client } = await coiAccount(stage, 'seen');
    await deliverTo(stage, user, chat());
    await settle(stage);
    const filed = (): Promise<void> =>
      eventually(async () => {
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
      }, 60_000);
    return { user, filed };
  }
  const linesWith = async (result: string): Promise<number> => {
    const { values } = await stage.app.ground.metrics.logLines.get();
    return values.find(({ labels }) => labels.result === result)?.value ?? 0;
  };

  it('moves the chat among them (100,001 messages)', async () => {
    const { user, filed } = await reader();
    const { url, token } = stage.dovecot.sidecar;
    const { status } = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: seen(user, 100_001),
    });
    assert.ok(status === 204 || status === 202, String(status));
    await filed();
  });

  it('moves it from the event log too, where more comes than the HTTP service takes', async () => {
    const { user, filed } = await reader();
    const { url, token } = stage.dovecot.sidecar;
    const { status } = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: seen(user, 250_000),
    });
    assert.equal(status, 413);
    // As the script does then: a line for each part.
    const uid = process.geteuid?.() ?? 0;
    await stage.app.ground.eventDirectory.ensure(uid);
    stage.app.flows.logs.note(uid);
    const lines = Array.from(
      { length: 25 },
      (_, part) => `\n${seen(user, 10_000, part * 10_000)}\n`,
    );
    const damaged = await linesWith('damaged');
    await appendFile(join(stage.dovecot.eventsDir, String(uid), 'log'), lines.join(''));
    await filed();
    assert.equal(await linesWith('damaged'), damaged);
  });
});
