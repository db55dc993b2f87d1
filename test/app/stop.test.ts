import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createApp, type App } from '../../src/app.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { configIn } from '../support/config-in.ts';
import { recordLog } from '../support/record-log.ts';
import { teardownOf } from '../support/create-teardown.ts';

const TOKEN = 'a-token-for-dovecot';

/** The service in this process; no Dovecot is there to answer it. */
async function startApp(
  test: TestContext,
  { webpush = {}, log = recordLog().log } = {},
): Promise<App> {
  const directory = makeTempDir();
  teardownOf(test).defer(directory.remove);
  const config = configIn(directory.path, { http: { token: TOKEN }, webpush });
  const app = await createApp(readConfig(JSON.stringify(config)), { log });
  await app.start();
  teardownOf(test).defer(() => app.stop());
  return app;
}

describe('a stop', () => {
  it(
    'does not wait for a peer that vanished in the middle of a request',
    { timeout: 60_000 },
    async (test) => {
      const app = await startApp(test);
      const { hostname, port } = new URL(app.url);
      const peer = connect(Number(port), hostname);
      teardownOf(test).defer(() => void peer.destroy());
      peer.on('error', () => undefined);
      const head = `POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n`;
      const body = 'content-type: application/json\r\ncontent-length: 99\r\n';
      peer.write(`${head}${body}expect: 100-continue\r\n\r\n`);
      const [answer] = (await once(peer, 'data')) as [Buffer];
      assert.match(answer.toString(), /100 Continue/);
      await app.stop();
    },
  );

  it('is quiet while all users are still being looked through', async (test) => {
    const recorded = recordLog();
    const app = await startApp(test, { log: recorded.log });
    const { ground, domain } = app;
    const change = { op: 'set', key: 'coi/enabled', value: Buffer.from('yes') } as const;
    const users = Array.from({ length: 1_000 }, (_, n) => `user-${n}`);
    await Promise.all(users.map((user) => ground.store.commit(user, [change])));
    const looking = [domain.subscriptions.sweepAll(), ground.publishFilter()];
    await app.stop();
    await Promise.all(looking);
    assert.deepEqual(recorded.said('warn'), []);
  });

  for (const [timeout, grace] of [
    [{ timeout_msecs: 1_000, answer_timeout_msecs: 2_000 }, 5_000],
    // To connect, and then for the answer; and a second for what is done with that.
    [{ timeout_msecs: 2_000 }, 13_000],
    [{ timeout_msecs: 6_000, answer_timeout_msecs: 1_000 }, 13_000],
    [{ answer_timeout_msecs: 60_000 }, 15_000],
  ] as const) {
    it(`waits ${grace} ms for pushes that may take ${JSON.stringify(timeout)}`, async (test) => {
      const app = await startApp(test, { webpush: timeout });
      const stop = test.mock.method(app.domain.delivery, 'stop');
      await app.stop();
      assert.deepEqual(stop.mock.calls[0]?.arguments, [grace]);
    });
  }
});
