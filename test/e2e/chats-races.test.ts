import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { before, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { startStage, type Stage } from '../support/start-stage.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  ENABLED,
  flagsIn,
  get,
  mailboxes,
  newAccount,
  set,
  settle,
} from './conformance/steps.ts';

/** How much later the second of two things begins, in milliseconds: as long as the first takes. */
const DELAYS = [0, 2, 5, 8, 12, 16, 20, 25, 30, 40];

describeVersions('two things at once that concern Chats', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
  });

  it('CREATE and DELETE, as fast as they go: each is what Dovecot alone would do', async () => {
    const { client } = await newAccount(stage);
    for (let round = 0; round < 20; round++) {
      await client.ok('CREATE COI/Chats');
      await client.ok('DELETE COI/Chats');
    }
    await settle(stage);
    assert.equal(await get(client, ENABLED), null);
    assert.deepEqual(stage.dovecot.errors(), []);
  });

  it('enabling COI and a DELETE of Chats: afterwards both are there, or neither', async () => {
    const { user, client } = await newAccount(stage);
    const other = await stage.login(user);
    for (const delay of DELAYS) {
      await set(client, ENABLED, 'yes');
      await set(client, ENABLED, null);
      const deleting = sleep(delay).then(() => other.command('DELETE COI/Chats'));
      await set(client, ENABLED, 'yes');
      await deleting;
      await settle(stage);
      const isThere = (await mailboxes(client)).includes('COI/Chats');
      assert.equal(await get(client, ENABLED), isThere ? 'yes' : null, `${delay} ms`);
      await set(client, ENABLED, null);
    }
  });

  for (const [from, to] of [
    ['COI/Chats', 'Elsewhere'],
    ['COI', 'Archive'],
  ] as const) {
    it(`chat that arrives while RENAME of ${from} is undone: all of it is in Chats, COI stays`, async () => {
      const { user, client } = await coiAccount(stage, 'active');
      let messages = 0;
      for (const delay of DELAYS) {
        const delivering = sleep(delay).then(() => deliverTo(stage, user, chat()));
        await client.ok(`RENAME ${from} ${to}`);
        await delivering;
        await settle(stage);
        messages += 1;
        assert.equal(await get(client, ENABLED), 'yes');
        assert.deepEqual(await mailboxes(client, `${to}*`), []);
        assert.equal((await flagsIn(client, 'COI/Chats')).length, messages, `${delay} ms`);
      }
    });
  }
});
