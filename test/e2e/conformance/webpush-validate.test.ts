import assert from 'node:assert/strict';
import { conformance } from '../../support/conformance.ts';
import { answerWith } from '../../support/push-service.ts';
import {
  deliverTo,
  errorsOf,
  eventually,
  get,
  listed,
  mail,
  newAccount,
  newId,
  pathOf,
  refuse,
  register,
  set,
  settlePushes,
  steppedClock,
  subscribe,
  subscription,
} from './steps.ts';

const clock = steppedClock();
const minutes = (count: number): number => count * 60_000;

conformance(import.meta.url, 'webpush-spec', { clock }, ({ stage, section }) => {
  /** Someone whose user agent waits for its validation push. */
  async function newSubscriber() {
    const [{ user, client }, agent] = [await newAccount(stage()), await stage().userAgent()];
    const id = newId();
    return { user, client, agent, id, path: pathOf(id), validate: `${pathOf(id)}/validate` };
  }

  section('Sending a Validation Push Message', (sentence) => {
    sentence(
      'rule',
      'When a new subscription is registered, the server initiates the validation by sending a push notification with a simple `Application/JSON` payload that contains the single `validation` element.',
      'Sent before the OK; a push service that says that there is no such resource makes it a NO',
      async () => {
        const { client, agent, path } = await newSubscriber();
        await set(client, path, subscription(agent));
        assert.equal(agent.waiting, 1, 'it was sent before the OK');
        const { json, payload } = await agent.next();
        assert.equal(typeof payload['validation'], 'string');
        assert.equal(json, JSON.stringify({ validation: payload['validation'] }));

        for (const status of [404, 410]) {
          agent.answer = answerWith(status);
          await refuse(client, pathOf(newId()), subscription(agent));
        }
      },
    );

    sentence(
      'rule',
      'This element contains a text with a maximum size of 1kB that allows the server to validate the subscription later.',
      'Random, another one for each registration; it is never shown anywhere else',
      async () => {
        const { client, agent, id, path } = await newSubscriber();
        const tokens = [
          await register(client, agent, {}, id),
          await register(client, agent, {}, id),
        ];
        assert.notEqual(tokens[0], tokens[1]);
        for (const token of tokens) {
          assert.ok(Buffer.byteLength(token) >= 22, 'at least 128 bits in base64');
          assert.ok(Buffer.byteLength(token) <= 1_024);
          assert.doesNotMatch(String(await get(client, path)), new RegExp(token));
        }
        assert.equal(await get(client, `${path}/validate`), null);
      },
    );

    sentence(
      'MAY',
      'A server MAY sign a text and timestamp and use the signature for validation, for example.',
      { instead: 'a random text, of which only a hash is stored' },
      async () => {
        const { user, client, agent } = await newSubscriber();
        const token = await register(client, agent);
        const stored = await stage().app.ground.store.list(user, '');
        assert.notEqual(stored.length, 0);
        for (const { key, value } of stored) assert.ok(!value.includes(token), key);
      },
    );

    sentence(
      'rule',
      'Additionally, the request towards the push service requires the additional HTTP header `WebPush-Validation` without any value.',
      'On validation pushes only',
      async () => {
        const { user, client, agent, path, validate } = await newSubscriber();
        await set(client, path, subscription(agent));
        const validation = await agent.next();
        assert.equal(validation.headers['webpush-validation'], '');
        await set(client, validate, String(validation.payload['validation']));
        await deliverTo(stage(), user, mail());
        assert.ok(!('webpush-validation' in (await agent.next()).headers));
      },
    );
  });

  section('Validating A Push Subscription', (sentence) => {
    sentence(
      'rule',
      'When the client receives a validation message, it will validate the previous subscription by calling `SETMETADATA` with the same path as the original subscription followed by /validate. The value is the received value of the validation JSON element of the validation message.',
      'Pushes go to a subscription from then on; one that is stored again under its ID keeps working as it was until its new value is validated',
      async () => {
        const { user, client, agent, id, path, validate } = await newSubscriber();
        const token = await register(client, agent, { device: 'old' }, id);
        await deliverTo(stage(), user, mail('Subject: too early'));
        await set(client, validate, token);
        assert.equal((await listed(client, id))?.['validated'], true);
        await deliverTo(stage(), user, mail('Subject: first'));
        assert.equal((await agent.next()).payload['subject'], 'first');

        const replacement = await stage().userAgent();
        await set(client, path, subscription(replacement, { device: 'new' }));
        const newToken = String((await replacement.next()).payload['validation']);
        await deliverTo(stage(), user, mail('Subject: second'));
        assert.equal((await agent.next()).payload['subject'], 'second');
        await settlePushes(stage());
        assert.equal(replacement.waiting, 0);
        await set(client, validate, newToken);
        await deliverTo(stage(), user, mail('Subject: third'));
        assert.equal((await replacement.next()).payload['subject'], 'third');
        await settlePushes(stage());
        assert.equal(agent.waiting, 0);
        assert.equal(await get(client, validate), null, 'the text itself is not kept');
      },
    );

    sentence(
      'MUST',
      'When this `SETMETADATA` call is received within a certain timeframe - RECOMMENDED is 5 minutes - of sending the validation push message and with the correct value for the given subscription ID, the server MUST respond with OK.',
      '5 minutes unless `webpush.subscription_expire` says otherwise, from when the push service takes that push; also when it comes twice, over a restart, and for a user who is locked out',
      async () => {
        const { user, client, agent, id, validate } = await newSubscriber();
        const token = await register(client, agent, {}, id);
        clock.step(minutes(5) - 10_000);
        await stage().restart();
        await set(client, validate, token);
        await set(client, validate, token);
        assert.equal((await listed(client, id))?.['validated'], true);

        const delayed = newId();
        const upAt = clock.now() + minutes(5) - 10_000;
        agent.answer = (response) => {
          response.writeHead(clock.now() < upAt ? 503 : 201).end();
        };
        const late = await register(client, agent, {}, delayed);
        clock.step(minutes(5) - 10_000);
        await stage().restart();
        await settlePushes(stage());
        clock.step(minutes(5) - 10_000);
        await set(client, `${pathOf(delayed)}/validate`, late);
        while (agent.waiting > 0) await agent.next();

        const other = newId();
        const otherToken = await register(client, agent, {}, other);
        const { throttle } = stage().app.domain;
        for (let count = 0; count < 20; count++) throttle.refused(user);
        clock.step(minutes(4));
        assert.equal(throttle.admit(user).admitted, false);
        await set(client, `${pathOf(other)}/validate`, otherToken);
        assert.equal((await listed(client, other))?.['validated'], true);
      },
    );

    sentence(
      'MUST',
      'When more than the timeframe has passed, or the validate text is invalid or the subscription ID does not match, the server MUST respond with NO.',
      'Also for an ID that nothing is stored under',
      async () => {
        const { user, client, agent, id, validate } = await newSubscriber();
        const token = await register(client, agent, {}, id);
        const other = newId();
        const otherToken = await register(client, agent, {}, other);
        for (const text of [null, '', 'ZZZ000...', `${token} `, token.slice(0, -1), otherToken]) {
          await refuse(client, validate, text);
        }
        // Each user is granted so many refusals before they are slowed down.
        stage().app.domain.throttle.lift(user);
        await refuse(client, `${pathOf(newId())}/validate`, token);
        await refuse(client, `${pathOf(other)}/validate`, token);
        assert.equal((await listed(client, id))?.['validated'], false);
        clock.step(minutes(5) + 1);
        await refuse(client, validate, token);
      },
    );

    sentence(
      'rule',
      'Example for validating a subscription outside of the required timeframe or with an invalid value: `a NO [CANNOT] invalid validation`',
      {
        instead:
          '`NO [SERVERBUG] Internal error occurred…`: nothing outside Dovecot’s own process can choose that text. The reason is in Dovecot’s log and in the sidecar’s',
      },
      async () => {
        const { user, client, agent, id, validate } = await newSubscriber();
        await register(client, agent, {}, id);
        const text = await refuse(client, validate, 'ZZZ000...');
        assert.match(text, /^\[SERVERBUG\] Internal error occurred/);
        const [line = ''] = await errorsOf(stage(), user);
        assert.match(line, /validat/);
        assert.doesNotMatch(line, /ZZZ000/);
      },
    );

    sentence(
      'SHOULD',
      'When no validation is received within the timeframe after creation, the server SHOULD discard the subscription and the client needs to regenerate it.',
      'It is gone from the list, frees its place, and can be stored again; a validated one under the same ID stays. Where the push service took the validation push only after a while, that much later: the sentence above is a MUST',
      async () => {
        const { user, client, agent, id, validate } = await newSubscriber();
        const kept = await subscribe(client, agent, { device: 'kept' });
        await register(client, agent, { device: 'never validated' }, kept);
        await register(client, agent, {}, id);
        clock.step(minutes(5) + 1);
        assert.equal(await listed(client, id), null);
        const { device, validated } = (await listed(client, kept)) ?? {};
        assert.deepEqual([device, validated], ['kept', true]);
        const { store, domain } = { store: stage().app.ground.store, domain: stage().app.domain };
        await domain.subscriptions.sweep();
        await eventually(async () => {
          const left = await store.list(user, 'webpush/subscriptions/');
          assert.equal(left.length, 1);
        });
        await set(client, validate, await register(client, agent, {}, id));
        assert.equal((await listed(client, id))?.['validated'], true);
      },
    );
  });
});
