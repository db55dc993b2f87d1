import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createServer as createPlainServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, it, type TestContext } from 'node:test';
import { createPushClient } from '../../../src/webpush/client/push-client.ts';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import { DeliveryRig, receiverKeys, SERVICE } from '../../support/delivery-rig.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { teardownOf } from '../../support/create-teardown.ts';

const TARGETS = [
  "/push/it's?a='b'",
  '/push/abc?',
  '/push?',
  '/?',
  '/push/a/../b/./c//d/..',
  '/push/%2e%2E/%41%7e%2f?%2F',
  '/push/x?y=1&y=2;z=(1)*!$,:@~',
  '/push/%zz%',
];

/** A push service that keeps what is on the wire, octet for octet, and answers 201. */
async function startService(t: TestContext, tls: boolean) {
  const heads: string[] = [];
  const server: Server = tls ? createTlsServer(makeCertificates()) : createPlainServer();
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    socket.on('data', (chunk: Buffer) => {
      const [head = ''] = chunk.toString('latin1').split('\r\n\r\n');
      if (!head.startsWith('POST ')) return; // a body that came by itself
      heads.push(head);
      socket.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  teardownOf(t).defer(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { heads, origin: `${tls ? 'https' : 'http'}://127.0.0.1:${port}` };
}

describe('the request target of a push (RFC 9112 section 3.2.1)', () => {
  for (const tls of [true, false]) {
    it(`is the endpoint's path and query, octet for octet, over ${tls ? 'TLS' : 'TCP'}`, async (t) => {
      const { heads, origin } = await startService(t, tls);
      const policy = parseGuardPolicy(['127.0.0.1']);
      const ca = [makeCertificates().ca];
      const client = createPushClient({ timeoutMsecs: 5_000, policy, ca });
      teardownOf(t).defer(() => client.close());
      const rig = new DeliveryRig({ client, policy });
      await rig.delivery.start();
      for (const [index, target] of TARGETS.entries()) {
        const push = rig.push(`alice/${index}`);
        const endpoint = origin + target;
        rig.book.set('alice', `${index}`, {
          ...{ endpoint, keys: receiverKeys },
        });
        const report = rig.delivery.attemptNow({ ...push, endpoint });
        assert.equal((await report).verdict, 'accepted');
      }
      assert.deepEqual(
        heads.map((head) => head.split('\r\n')[0]),
        TARGETS.map((target) => `POST ${target} HTTP/1.1`),
      );
      const tokens = heads.map(
        (head) => /authorization: vapid t=[\w-]+\.([\w-]+)/i.exec(head)?.[1],
      );
      for (const token of tokens) {
        const { aud } = JSON.parse(Buffer.from(token ?? '', 'base64url').toString()) as {
          aud: string;
        };
        assert.equal(aud, origin);
      }
    });
  }

  for (const [what, endpoint] of [
    ['a line end', `${SERVICE}/a\r\nHost: other.example\r\n\r\n`],
    ['a space', `${SERVICE}/a HTTP/1.1`],
    ['a NUL', `${SERVICE}/a\0`],
    ['a backslash', `${SERVICE}/a\\..\\b`],
    ['a fragment', `${SERVICE}/a#b`],
    ['user information', 'https://user@push.example.net/a'],
    ['what is no ASCII', `${SERVICE}/ä`],
  ] as const) {
    it(`is none of an endpoint with ${what}`, async () => {
      const rig = new DeliveryRig();
      await rig.delivery.start();
      const push = rig.push('alice/1');
      rig.book.set('alice', '1', { endpoint, keys: receiverKeys });
      await rig.delivery.enqueue([{ ...push, endpoint }]);
      await rig.clock.advance(1);
      assert.equal(rig.sent.length, 0);
    });
  }
});
