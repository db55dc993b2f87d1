import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createAdminClient, pathOf, userPathOf } from '../../src/cli/admin-client.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { InvalidInputError } from '../../src/errors.ts';

const configOf = (listen: string, adminToken = 'an-admin-token-for-tests') =>
  readConfig(
    JSON.stringify({
      http: { listen, token: 'the-token-of-dovecot', admin_token: adminToken },
      doveadm: { api_key: 'key' },
    }),
  );

async function withServer(
  answer: (url: string, authorization: string, response: ServerResponse) => void,
  work: (listen: string) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) =>
    answer(request.url ?? '', request.headers.authorization ?? '', response),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await work(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** What a call comes to, against a service that gives this answer. */
async function failure(status: number, body: string): Promise<Error> {
  let error: unknown;
  await withServer(
    (_url, _authorization, response) => response.writeHead(status).end(body),
    async (listen) => {
      const client = createAdminClient(configOf(listen));
      error = await client.call('GET', pathOf('users')).catch((reason: unknown) => reason);
      await client.close();
    },
  );
  assert.ok(error instanceof Error);
  return error;
}

describe('the client of the admin calls', () => {
  it('encodes every part of a path', () => {
    assert.equal(
      pathOf('users', 'a/b?%@ö', 'subscriptions', 'x#y'),
      '/v1/users/a%2Fb%3F%25%40%C3%B6/subscriptions/x%23y',
    );
  });

  it('asks about no name that doveadm would take for many users', () => {
    assert.equal(userPathOf('a/b@x', 'throttle'), '/v1/users/a%2Fb%40x/throttle');
    for (const user of ['*', 'ann?', '', 'anna\n', '\ud800']) {
      assert.throws(() => userPathOf(user), InvalidInputError);
    }
  });

  for (const [listen, reached] of [
    ['0.0.0.0', '127.0.0.1'],
    ['127.0.0.1', '127.0.0.1'],
  ] as const) {
    it(`reaches a service that listens on ${listen} at ${reached}, with the token`, () =>
      withServer(
        (url, authorization, response) => {
          assert.equal(url, '/v1/users/a%2Fb?limit=1');
          assert.equal(authorization, 'Bearer an-admin-token-for-tests');
          response.end('{"users":[]}');
        },
        async (address) => {
          const client = createAdminClient(configOf(address.replace('127.0.0.1', listen)));
          const query = { limit: '1', after: undefined };
          const reply = await client.call('GET', pathOf('users', 'a/b'), { query });
          assert.deepEqual(reply, { users: [] });
          await client.close();
        },
      ));
  }

  it('refuses to begin without a token, and says where to set it', () => {
    assert.throws(
      () => createAdminClient(configOf('127.0.0.1:1', '')),
      (error: Error) =>
        error instanceof InvalidInputError && /http\.admin_token/.test(error.message),
    );
  });

  it('says that the service is not running', async () => {
    const client = createAdminClient(configOf('127.0.0.1:1'));
    await assert.rejects(
      client.call('GET', '/v1/users'),
      /no service answers at http:\/\/127\.0\.0\.1:1 .*running/,
    );
    await client.close();
  });

  const answers: [name: string, status: number, body: string, message: RegExp][] = [
    [
      'the service’s own words',
      404,
      '{"error":"not_found","message":"no push 3 is owed"}',
      /^no push 3 is owed$/,
    ],
    [
      'another token',
      401,
      '{"error":"unauthorized","message":"x"}',
      /started with another http\.admin_token/,
    ],
    [
      'a service without admin calls',
      404,
      '{"error":"Not Found","message":"Route GET:/v1/users not found","statusCode":404}',
      /without http\.admin_token/,
    ],
    ['an answer that is none of ours', 502, '<html>', /^the service answered 502$/],
  ];
  for (const [name, status, body, message] of answers) {
    it(`explains ${name}`, async () =>
      assert.match((await failure(status, body)).message, message));
  }
});
