import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { text } from 'node:stream/consumers';
import { createAdminRig, ADMIN_TOKEN } from './admin-rig.ts';

/** Whatever is refused, be it before a route is found. */
describe('errors over HTTP have the documented form', () => {
  const { app } = createAdminRig();
  const authorization = `Bearer ${ADMIN_TOKEN}`;

  before(() => app.listen({ host: '127.0.0.1', port: 0 }));
  after(() => app.close());

  /** What the service answers to these octets. */
  async function send(octets: string): Promise<{ status: number; body: string }> {
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(octets);
    const answer = await text(socket);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    return { status: Number(head.split(' ')[1]), body };
  }

  const request = (line: string, headers = ''): string =>
    `${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: ${authorization}\r\n${headers}\r\n`;

  const refused: [what: string, octets: string, status: number, error: string][] = [
    ['an unknown path', request('GET /v1/nothing'), 404, 'not_found'],
    ['an unknown path outside', request('GET /nothing'), 404, 'not_found'],
    ['a known path by another method', request('PATCH /v1/users'), 404, 'not_found'],
    ['a path that does not decode', request('GET /v1/users/%zz'), 400, 'invalid_input'],
    ['too long a name', request(`GET /v1/users/${'a'.repeat(5_000)}`), 414, 'too_large'],
    [
      'a body of a type that is not read',
      request('POST /v1/reload', 'content-type: text/csv\r\ncontent-length: 1\r\n') + 'a',
      415,
      'unsupported_media_type',
    ],
    [
      'JSON that is none',
      request('POST /v1/reload', 'content-type: application/json\r\ncontent-length: 1\r\n') + '{',
      400,
      'invalid_input',
    ],
    ['a request without a Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'invalid_input'],
    ['what nobody meets', request('GET /', 'expect: wonders\r\n'), 417, 'invalid_input'],
    ['what is not HTTP', 'nonsense\r\n\r\n', 400, 'invalid_input'],
    ['too long a header', request('GET /', `x: ${'a'.repeat(17_000)}\r\n`), 431, 'too_large'],
  ];
  for (const [what, octets, status, error] of refused) {
    it(`${status} ${error} for ${what}`, async () => {
      const answer = await send(octets);
      const body = JSON.parse(answer.body) as { error: string; message: string };
      assert.deepEqual([answer.status, body.error], [status, error], answer.body);
      assert.deepEqual(Object.keys(body), ['error', 'message']);
      assert.match(body.message, /^[\p{Ll}"]/u);
      assert.ok(body.message.length < 300);
    });
  }
});
