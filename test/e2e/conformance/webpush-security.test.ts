import assert from 'node:assert/strict';
import { conformance } from '../../support/conformance.ts';
import type { ServerResponse } from 'node:http';
import { answerWith } from '../../support/push-service.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { standInForNameService } from '../../support/name-service.ts';
import { startStage } from '../../support/start-stage.ts';
import {
  deliverTo,
  ENABLED,
  eventually,
  listed,
  mail,
  newAccount,
  newId,
  pathOf,
  refuse,
  register,
  set,
  steppedClock,
  subscribe,
  subscription,
} from './steps.ts';

const clock = steppedClock();
/** How long answers were held back, in milliseconds; nobody really waits. */
const held: number[] = [];
const sleep = (msecs: number): Promise<void> => {
  held.push(msecs);
  clock.step(msecs);
  return Promise.resolve();
};
const options = { clock, sleep, config: { webpush: { timeout_msecs: 60_000 } } };

conformance(import.meta.url, 'webpush-spec', options, ({ stage, section }) => {
  section('Security Considerations', (sentence) => {
    sentence(
      'rule',
      'The WebPush-capable IMAP server requires to be able to access the Internet, which poses additional risks. Proxies are commended to be used.',
      '`webpush.proxy_url`, `proxy_username` and `proxy_password`; with or without one no push goes to an address of our own network',
      async () => {
        const names = standInForNameService();
        const proxy = await startConnectProxy({ credentials: { username: 'u', password: 'p' } });
        const proxied = await startStage({
          version: stage().dovecot.version,
          config: {
            webpush: { proxy_url: proxy.url, proxy_username: 'u', proxy_password: 'p' },
          },
        });
        try {
          const { user, client } = await newAccount(proxied);
          const agent = await proxied.userAgent();
          await subscribe(client, agent);
          await deliverTo(proxied, user, mail('Subject: through the proxy'));
          assert.equal((await agent.next()).payload['subject'], 'through the proxy');
          const { host, port } = new URL(agent.resource.endpoint);
          names.set('push.rebound.test', '127.0.0.2');
          for (const place of [stage(), proxied]) {
            const { client: attacker } = await newAccount(place);
            for (const name of ['10.0.0.1', '[::1]', 'push.rebound.test']) {
              const resource = { ...agent.resource, endpoint: `https://${name}:${port}/push` };
              await refuse(attacker, pathOf(newId()), subscription({ resource }));
            }
          }
          assert.equal(agent.waiting, 0);
          assert.deepEqual([...new Set(proxy.requests.map(({ authority }) => authority))], [host]);
        } finally {
          names.restore();
          await proxied.close();
          await proxy.close();
        }
      },
    );

    sentence(
      'rule',
      'Malicious web push services could be harming the IMAP server with the following means: Delay responses to push requests; Do not respond at all',
      'A push service that hangs delays neither mail, nor IMAP, nor other push services; a subscription is answered after `webpush.timeout_msecs` at the latest',
      async () => {
        const { user, client } = await newAccount(stage());
        const [hanging, quick] = [await stage().userAgent(), await stage().userAgent()];
        await subscribe(client, hanging);
        await subscribe(client, quick);
        let hangs = true;
        const open: ServerResponse[] = [];
        hanging.answer = (response) => {
          response.once('close', () => (hangs = false));
          open.push(response);
        };
        for (const subject of ['one', 'two', 'three']) {
          await deliverTo(stage(), user, mail(`Subject: ${subject}`));
          assert.equal((await quick.next()).payload['subject'], subject);
          await client.ok('NOOP');
        }
        await eventually(() => assert.notEqual(open.length, 0));
        assert.ok(hangs, 'the first request is still waiting for its answer');
        hanging.answer = answerWith(201);
        for (const response of open) response.writeHead(201).end();

        const impatient = await startStage({
          version: stage().dovecot.version,
          config: { webpush: { timeout_msecs: 200 } },
        });
        try {
          const { client: subscriber } = await newAccount(impatient);
          const silent = await impatient.userAgent();
          silent.answer = () => undefined;
          await set(subscriber, pathOf(newId()), subscription(silent));
          await eventually(() => assert.equal(silent.waiting, 1));
        } finally {
          await impatient.close();
        }
      },
    );

    sentence(
      'MAY',
      'A WebPush-capable IMAP server MAY unsubscribe push subscriptions that are having such bad-behaving push service implementations.',
      {
        instead:
          'a slow or silent push service is given growing pauses, and its subscriptions stay: it may be back in a minute. What it misses is sent late or expires',
      },
      async () => {
        const { user, client } = await newAccount(stage());
        const agent = await stage().userAgent();
        const id = await subscribe(client, agent);
        agent.answer = (_response, _push, socket) => void socket.destroy();
        for (let count = 0; count < 5; count++) await deliverTo(stage(), user, mail());
        await agent.next();
        await agent.next();
        assert.equal((await listed(client, id))?.['validated'], true);
      },
    );

    sentence(
      'SHOULD',
      'The validation flow catches those problems, IMAP servers SHOULD introduce throttling of subscriptions to counter such behavior.',
      'Each refusal counts, and each subscription that is replaced or removed before its validation, or expires without one although the push service took the validation push. Past `abuse.refusals` new subscriptions are refused for a growing time, and each NO is held back. A validation takes off those of its device',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        const id = newId();
        for (let count = 0; count < 7; count++) await register(client, agent, {}, id);
        held.length = 0;
        const { status } = await client.setMetadata('', pathOf(id), subscription(agent));
        assert.equal(status, 'NO', 'throttled');
        assert.deepEqual(held, [4_000], 'and not at once');
        assert.equal(agent.waiting, 0, 'no push was made');
        await set(client, pathOf(id), null);
        clock.step(60_000);
        await subscribe(client, agent);

        const [silent, down] = [await newAccount(stage()), await newAccount(stage())];
        const deaf = await stage().userAgent();
        deaf.answer = (_response, _push, socket) => void socket.destroy();
        for (let count = 0; count < 7; count++) {
          await register(silent.client, agent);
          await set(down.client, pathOf(newId()), subscription(deaf));
        }
        clock.step(300_001);
        await stage().app.domain.subscriptions.sweep();
        await refuse(silent.client, pathOf(newId()), subscription(agent));
        const throttled = stage().app.domain.throttle.snapshot();
        assert.ok(!throttled.some(({ user }) => user === down.user), 'nothing counts');
        await subscribe(down.client, agent);
      },
    );

    sentence(
      'RECOMMENDED',
      'If a client tries to register several invalid subscriptions, the server is RECOMMENDED to lock out that specific client or throttle subscriptions for the affected user.',
      'No new subscription for a growing time, `abuse.lockout` at most; other users are not affected. Unsubscribing, a right validation and right settings are always taken',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        const kept = await subscribe(client, agent);
        // Five are free; from then on each comes when the pause after the one before it is over.
        let pause = 0;
        for (let count = 1; pause < 3_600_000; count++) {
          clock.step(pause);
          await refuse(client, pathOf(newId()), 'invalid');
          pause = count <= 5 ? 0 : 10_000 * 2 ** (count - 6);
        }
        clock.step(3_000_000);
        await refuse(client, pathOf(newId()), subscription(agent));
        assert.equal(agent.waiting, 0, 'for most of an hour no push is made');
        await set(client, pathOf(kept), null);
        await set(client, ENABLED, 'yes');
        await refuse(client, ENABLED, 'true');
        assert.equal(held.at(-1), 4_000);
        const other = await newAccount(stage());
        await subscribe(other.client, agent);
        clock.step(3_600_000);
        await subscribe(client, agent);
      },
    );
  });
});
