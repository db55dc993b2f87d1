import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { conformance } from '../../support/conformance.ts';
import { answerWith } from '../../support/push-service.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  eventually,
  get,
  listed,
  mail,
  message,
  newAccount,
  newId,
  pathOf,
  set,
  settlePushes,
  subscribe,
  subscription,
  VAPID,
} from './steps.ts';

const options = { config: { webpush: { vapid_subject: 'mailto:postmaster@example.org' } } };

conformance(import.meta.url, 'webpush-spec', options, ({ stage, section }) => {
  /** Someone whose user agent hears of every message. */
  async function newReader(makeAccount = newAccount) {
    const [{ user, client }, agent] = [await makeAccount(stage()), await stage().userAgent()];
    const id = await subscribe(client, agent);
    return { user, client, agent, id, receive: (text: Buffer) => deliverTo(stage(), user, text) };
  }

  section('Push Message Encryption', (sentence) => {
    sentence(
      'rule',
      'Encrypting a push message uses Elliptic Curve Diffie-Hellman (ECDH) on the P-256 curve to establish a shared secret and a symmetric secret for authentication.',
      'aes128gcm (RFC 8291, RFC 8188), one record; decrypted here by Web Crypto, which the sender does not use',
      async () => {
        const { agent, receive } = await newReader();
        await receive(mail('Subject: secret'));
        const { payload, body } = await agent.next();
        assert.equal(payload['subject'], 'secret');
        assert.ok(!body.includes('secret'));
        assert.equal(body[20], 65, 'the length of keyid');
        assert.equal(body[21], 4, 'an uncompressed point');
        assert.equal(body.readUInt32BE(16), 4_096, 'the record size');
      },
    );

    sentence(
      'MUST',
      'The ECDH key pair MUST be discarded after encrypting the message.',
      'A new pair and a new salt for every push, repeated ones too',
      async () => {
        const { agent, receive } = await newReader();
        let refusals = 1;
        agent.answer = (response) => void response.writeHead(refusals-- > 0 ? 503 : 201).end();
        await receive(mail());
        await receive(mail());
        const bodies = [];
        for (let count = 0; count < 3; count++) bodies.push((await agent.next()).body);
        const keyIds = bodies.map((body) => body.subarray(21, 86).toString('hex'));
        const salts = bodies.map((body) => body.subarray(0, 16).toString('hex'));
        assert.equal(new Set(keyIds).size, 3);
        assert.equal(new Set(salts).size, 3);
      },
    );
  });

  section('Header Signing', (sentence) => {
    sentence(
      'MUST',
      'A WebPush server MUST authorize their push requests by using the vapid HTTP authentication scheme as defined by [RFC 8292].',
      '`aud` is the push service’s origin with its port, `exp` at most 24 hours ahead, `sub` is `webpush.vapid_subject`; validation pushes too',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        await set(client, pathOf(newId()), subscription(agent));
        const { token } = parseVapid((await agent.next()).headers.authorization);
        const claims = decodePart(token.split('.')[1]);
        assert.equal(claims['aud'], new URL(agent.resource.endpoint).origin);
        const aud: string = claims['aud'];
        assert.match(aud, /^https:\/\/localhost:\d+$/);
        const left = Number(claims['exp']) - Date.now() / 1_000;
        assert.ok(left > 0 && left <= 86_400, `exp is ${left} s ahead`);
        assert.equal(claims['sub'], 'mailto:postmaster@example.org');
      },
    );

    sentence(
      'rule',
      'The "t" parameter of the Authorization header field contains a JWT; the "k" parameter includes the base64-url-encoded key that signed that token.',
      'The key is the one that the client read as its VAPID key',
      async () => {
        const { client, agent, receive } = await newReader();
        await receive(mail());
        const { token, key } = parseVapid((await agent.next()).headers.authorization);
        const [header = '', claims = '', signature = ''] = token.split('.');
        assert.deepEqual(decodePart(header), { typ: 'JWT', alg: 'ES256' });
        const shown = createPublicKey(String(await get(client, VAPID)));
        const { x, y } = shown.export({ format: 'jwk' });
        const point = [
          Buffer.of(4),
          Buffer.from(x ?? '', 'base64url'),
          Buffer.from(y ?? '', 'base64url'),
        ];
        assert.equal(key, Buffer.concat(point).toString('base64url'));
        const valid = verify(
          'sha256',
          Buffer.from(`${header}.${claims}`),
          { key: shown, dsaEncoding: 'ieee-p1363' },
          Buffer.from(signature, 'base64url'),
        );
        assert.ok(valid, 'the signature is right');
      },
    );
  });

  section('Push Message Example', (sentence) => {
    sentence(
      'rule',
      'POST /p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV HTTP/1.1, with the headers Host, TTL, Content-Length, Content-Encoding: aes128gcm and Authorization',
      'TTL is what is left of `webpush.message_ttl`, or of the time for validation; Urgency is high for chat and validation',
      async () => {
        const { client, agent, receive } = await newReader(coiAccount);
        await set(client, pathOf(newId()), subscription(agent));
        const { headers: validation } = await agent.next();
        assert.ok(Number(validation['ttl']) > 200 && Number(validation['ttl']) <= 300);
        assert.equal(validation['urgency'], 'high');
        for (const [message, urgency] of [
          [mail(), 'normal'],
          [chat(), 'high'],
        ] as const) {
          await receive(message); // one by one: chat does not wait for the body of other mail
          const { headers, path, body } = await agent.next();
          const url = new URL(agent.resource.endpoint);
          assert.deepEqual([path, headers.host], [url.pathname, url.host]);
          assert.equal(headers['content-length'], String(body.length));
          assert.equal(headers['content-encoding'], 'aes128gcm');
          assert.ok(Number(headers['ttl']) > 86_000 && Number(headers['ttl']) <= 86_400);
          assert.equal(headers['urgency'], urgency);
        }
      },
    );
  });

  section('Push Service Response Codes', (sentence) => {
    sentence(
      'rule',
      'Push services MUST deliver one of the following response codes for push requests',
      'A MUST for push services; those that do not keep to it are dealt with too: any 2xx is taken for 201, 5xx is tried again, a redirect is refused',
      async () => {
        const { client, id, agent, receive } = await newReader();
        for (const status of [200, 202, 204]) {
          agent.answer = answerWith(status);
          await receive(mail(`Subject: ${status}`));
          assert.equal((await agent.next()).payload['subject'], String(status));
        }
        const elsewhere = await stage().userAgent();
        agent.answer = answerWith(301, { Location: elsewhere.resource.endpoint });
        await receive(mail('Subject: redirected'));
        await agent.next();
        let failures = 1;
        agent.answer = (response) => void response.writeHead(failures-- > 0 ? 500 : 201).end();
        await receive(mail('Subject: tried again'));
        for (let count = 0; count < 2; count++) {
          assert.equal((await agent.next()).payload['subject'], 'tried again');
        }
        await settlePushes(stage());
        assert.equal(agent.waiting + elsewhere.waiting, 0);
        assert.notEqual(await listed(client, id), null);
      },
    );

    sentence(
      'rule',
      '`201 Created`. The request to send a push message was received and accepted.',
      'Sent once',
      async () => {
        const { agent, receive } = await newReader();
        await receive(mail('Subject: first'));
        await receive(mail('Subject: second'));
        assert.equal((await agent.next()).payload['subject'], 'first');
        assert.equal((await agent.next()).payload['subject'], 'second');
        await settlePushes(stage());
        assert.equal(agent.waiting, 0);
      },
    );

    sentence(
      'rule',
      '`429 Too many requests`. Meaning your application server has reached a rate limit with a push service. The push service should include a `Retry-After` header to indicate how long before another request can be made.',
      'Nothing is sent to that push service before then, for any user; then what is owed',
      async () => {
        const { user, agent, receive } = await newReader();
        const { user: another, client } = await newAccount(stage());
        await subscribe(client, agent);
        agent.answer = answerWith(429, { 'Retry-After': '2' });
        await receive(mail('Subject: held back'));
        await agent.next();
        const refusedAt = performance.now();
        agent.answer = answerWith(201);
        await deliverTo(stage(), another, mail('Subject: for another'));
        await deliverTo(stage(), user, mail('Subject: held back too'));
        const subjects = [(await agent.next()).payload['subject']];
        assert.ok(performance.now() - refusedAt > 1_500);
        for (let count = 0; count < 2; count++) {
          subjects.push((await agent.next()).payload['subject']);
        }
        assert.deepEqual(subjects.sort(), ['for another', 'held back', 'held back too']);
        await settlePushes(stage());
        assert.equal(agent.waiting, 0);
      },
    );

    sentence(
      'rule',
      '`400 Invalid request`. This generally means one of your headers is invalid or improperly formatted.',
      'That push is given up; the subscription stays, unless it never took a push, as one that was imported, and this is the fifth time',
      async () => {
        const { client, id, agent, receive } = await newReader();
        agent.answer = answerWith(400);
        await receive(mail('Subject: refused'));
        await agent.next();
        agent.answer = answerWith(201);
        await receive(mail('Subject: taken'));
        assert.equal((await agent.next()).payload['subject'], 'taken');
        for (let count = 0; count < 6; count++) {
          agent.answer = answerWith(400);
          await receive(mail('Subject: refused'));
          await agent.next();
        }
        await settlePushes(stage());
        assert.equal((await listed(client, id))?.['validated'], true);

        const { user: mover, client: moved } = await newAccount(stage());
        const imported = newId();
        await stage().app.domain.subscriptions.transact(mover, async (plan, commit) => {
          const value = Buffer.from(subscription(agent));
          assert.equal(plan.adopt(imported, value, '2019-10-16T16:14:17+00:00', false), 'added');
          await commit();
        });
        for (let count = 0; count < 5; count++) {
          assert.equal((await listed(moved, imported))?.['validated'], true, `${count} refusals`);
          await deliverTo(stage(), mover, mail('Subject: refused'));
          await agent.next();
          await settlePushes(stage());
        }
        await eventually(async () => assert.equal(await listed(moved, imported), null));
      },
    );

    for (const [status, text] of [
      [
        404,
        '`404 Not Found`. This is an indication that the subscription is expired and can’t be used. In this case you should delete the PushSubscription and wait for the client to resubscribe the user.',
      ],
      [
        410,
        '`410 Gone`. The subscription is no longer valid and should be removed from application server. This can be reproduced by unsubscribing a push subscription.',
      ],
    ] as const) {
      sentence('rule', text, 'The subscription is removed; others stay', async () => {
        const { client, id, agent, receive } = await newReader();
        const other = await subscribe(client, await stage().userAgent());
        agent.answer = answerWith(status);
        await receive(mail());
        await agent.next();
        await eventually(async () => assert.equal(await listed(client, id), null));
        assert.notEqual(await listed(client, other), null);
        await subscribe(client, await stage().userAgent(), {}, id);
      });
    }

    sentence(
      'rule',
      '`413 Payload size too large`. The minimum size payload a push service must support is 4096 bytes (or 4kB).',
      'For services that take less: the push is sent again without its content, then with nothing but uid, uidvalidity and folder; what was learnt is kept in mind',
      async () => {
        const { agent, receive } = await newReader();
        let limit = 600;
        agent.answer = (response, { body }) =>
          void response.writeHead(body.length > limit ? 413 : 201).end();
        const large = (): Buffer => message(['Subject: large'], 'x'.repeat(2_000));
        const next = async (): Promise<string[]> => Object.keys((await agent.next()).payload);
        await receive(large());
        assert.ok((await next()).includes('content'));
        const without = await next();
        assert.ok(without.includes('subject') && !without.includes('content'));
        limit = 200;
        await receive(large());
        assert.deepEqual(await next(), without);
        assert.deepEqual(await next(), ['uid', 'uidvalidity', 'folder']);
        await receive(large());
        assert.deepEqual(await next(), ['uid', 'uidvalidity', 'folder']);
      },
    );
  });
});

/** `vapid t=…, k=…` */
function parseVapid(authorization = ''): { token: string; key: string } {
  const [, token = '', key = ''] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(authorization) ?? [];
  assert.ok(token !== '', authorization);
  return { token, key };
}

const decodePart = (part = ''): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
