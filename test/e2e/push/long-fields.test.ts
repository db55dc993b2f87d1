import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { createTeardown } from '../../support/create-teardown.ts';
import { describeVersions } from '../../support/dovecot-versions.ts';
import { startStage, type Stage } from '../../support/start-stage.ts';
import type { UserAgent } from '../../support/user-agent.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  FILTER,
  flagsIn,
  mail,
  set,
  settle,
  subscribe,
  type Account,
} from '../conformance/steps.ts';

/** A value of about so many octets, folded as mail must be. */
const folded = (octets: number, start = ''): string =>
  `${start}${'x'.repeat(60)}${`\r\n ${'x'.repeat(76)}`.repeat(Math.ceil(octets / 79))}`;

/** As Dovecot's script reports it. */
const unfolded = (text: string): string => text.replaceAll(/[\r\n]/g, '');

/** What a sender can make as long as they like. */
const FIELDS: Record<string, (octets: number) => string> = {
  'Message-ID': (octets) => `Message-ID: <${folded(octets)}@example.org>`,
  Subject: (octets) => `Subject: ${folded(octets)}`,
  From: (octets) => `From: ${folded(octets)} <alice@example.org>`,
};

describeVersions('mail with fields that are longer than any real one', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
    teardown.defer(async () => {
      const { values } = await stage.app.ground.metrics.logLines.get();
      assert.ok(!values.some(({ value }) => value > 0), 'nothing went to the event log');
    });
  });

  async function newReader(): Promise<Account & { agent: UserAgent }> {
    const account = await coiAccount(stage, 'none');
    const agent = await stage.userAgent();
    await subscribe(account.client, agent);
    return { ...account, agent };
  }

  for (const [name, field] of Object.entries(FIELDS)) {
    for (const octets of [9_600, 1_048_576]) {
      it(`is pushed at once: ${name}, ${octets} octets`, async () => {
        const { user, agent } = await newReader();
        for (const [uid, make] of [mail, chat].entries()) {
          await deliverTo(stage, user, make(field(octets)));
          const { payload } = await agent.next(30_000);
          assert.deepEqual([payload['folder'], payload['uid']], ['INBOX', uid + 1]);
        }
      });

      it(`is found when Dovecot could not number it: ${name}, ${octets} octets`, async () => {
        const { user, client } = await newReader();
        const line = field(octets);
        await deliverTo(stage, user, mail(line));
        await settle(stage);
        const agent = await stage.userAgent();
        await subscribe(client, agent);
        const value = unfolded(line).replace(/^[^:]*: /, '');
        const property = name.toLowerCase().replace('-', '_');
        const event = { event: 'MessageNew', mailbox: 'INBOX', uid: 0, uidvalidity: 0 } as const;
        const events = [{ ...event, keywords: [], [property]: value }];
        await stage.app.flows.intake.take({ user, events });
        assert.equal((await agent.next(30_000)).payload['uid'], 1);
      });
    }
  }

  it('is filed late, and pushed from there, after an outage: Message-ID, 1048576 octets', async () => {
    const { user, client, agent } = await newReader();
    const id = `<${folded(1_048_576, 'chat$')}@example.org>`;
    await deliverTo(stage, user, mail(`Message-ID: ${id}`));
    await agent.next(30_000);
    await set(client, FILTER, 'active');
    const event = { event: 'MessageNew', mailbox: 'INBOX', uid: 1, uidvalidity: 1 } as const;
    const events = [{ ...event, keywords: ['$Chat'], message_id: unfolded(id) }];
    await stage.app.flows.intake.take({ user, events });
    assert.equal((await agent.next(30_000)).payload['folder'], 'COI/Chats');
    assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
  });
});
