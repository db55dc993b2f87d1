import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { deliver } from '../../../src/cli/demo/lmtp-client.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import type { ImapClient } from '../../support/imap-client.ts';
import { dovecotVersions } from '../../support/dovecot-versions.ts';
import { startStage, type Stage } from '../../support/start-stage.ts';
import { subscribe } from '../../support/subscribe.ts';
import type { UserAgent } from '../../support/user-agent.ts';
import { coiAccount } from '../conformance/steps.ts';

interface Recipient {
  user: string;
  client: ImapClient;
  agent: UserAgent;
}

/** Nothing in their headers tells them apart. */
const HEADER =
  'From: Alice <alice@example.org>\r\nSubject: Same\r\nDate: Mon, 4 Dec 2023 15:51:37 +0100\r\n';
const CHAT = 'Chat-Version: 1.0\r\n';

let count = 0;
const freshId = (): string => `same${++count}@example.org`;
const message = (id: string, body: string, header = ''): string =>
  `${HEADER}Message-ID: <${id}>\r\n${header}\r\n${body}\r\n`;

for (const { version, skip } of dovecotVersions) {
  describe(`messages with one Message-ID on Dovecot ${version}`, { skip }, () => {
    let stage: Stage;
    const teardown = createTeardown();
    before(async () => {
      stage = await startStage({ version });
      teardown.defer(() => stage.close());
    });

    async function newRecipient(): Promise<Recipient> {
      const account = await coiAccount(stage, 'none');
      const agent = await stage.userAgent();
      await subscribe(account.client, agent);
      return { ...account, agent };
    }
    async function send(recipients: readonly string[], mail: string): Promise<void> {
      const { replies } = await deliver(stage.dovecot.lmtp, 'a@example.org', recipients, mail);
      for (const { code, text } of replies) assert.equal(code, 250, text);
    }
    const nextContent = async ({ agent }: Recipient): Promise<unknown> =>
      (await agent.next()).payload['content'];
    const hits = async (): Promise<number> => {
      const { values } = await stage.app.ground.metrics.cacheLookups.get();
      const is = values.find(
        ({ labels }) => labels.cache === 'messages' && labels.result === 'hit',
      );
      return is?.value ?? 0;
    };

    it('a chat message, then an ordinary one that the sidecar never saw: each its own content', async () => {
      const [recipient, id] = [await newRecipient(), freshId()];
      await send([recipient.user], message(id, 'the first', CHAT));
      assert.equal(await nextContent(recipient), 'the first\n');
      await send([recipient.user], message(id, 'the second'));
      assert.equal(await nextContent(recipient), 'the second\n');
    });

    it('two chat messages in a row: each its own content, and neither is fetched', async () => {
      const [recipient, id, before] = [await newRecipient(), freshId(), await hits()];
      for (const body of ['the first', 'the second']) {
        await send([recipient.user], message(id, body, CHAT));
        assert.equal(await nextContent(recipient), `${body}\n`);
      }
      assert.equal(await hits(), before + 2);
    });

    it('one message, delivered twice in a row: two pushes', async () => {
      const [recipient, id] = [await newRecipient(), freshId()];
      for (let times = 0; times < 2; times++) {
        await send([recipient.user], message(id, 'again', CHAT));
      }
      const pushes = [await recipient.agent.next(), await recipient.agent.next()];
      assert.deepEqual(
        pushes.map(({ payload }) => [payload['uid'], payload['content']]),
        [1, 2].map((uid) => [uid, 'again\n']),
      );
    });

    it('one transaction for two users, one of them under two addresses: none is fetched', async () => {
      const [first, second] = [await newRecipient(), await newRecipient()];
      const [id, before] = [freshId(), await hits()];
      const other = first.user.replace('@', '+other@');
      await send([first.user, second.user, other], message(id, 'to all', CHAT));
      for (const recipient of [first, second, first]) {
        assert.equal(await nextContent(recipient), 'to all\n');
      }
      assert.equal(await hits(), before + 3);
    });

    it('by dovecot-lda, which writes no session into a message: not fetched either', async () => {
      const [recipient, id, before] = [await newRecipient(), freshId(), await hits()];
      for (const [body, header] of [
        ['the first', CHAT],
        ['the second', ''],
      ] as const) {
        const { exitCode, stderr } = await stage.dovecot.runProgram(
          '/usr/lib/dovecot/dovecot-lda',
          ['-d', recipient.user],
          message(id, body, header),
        );
        assert.equal(exitCode, 0, stderr);
        assert.match(String(await nextContent(recipient)), RegExp(body));
      }
      assert.equal(await hits(), before + 1, 'the chat message');
    });
  });
}
