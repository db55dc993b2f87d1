import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFileDict } from '../../src/dovecot/file-dict.ts';
import type { ListedPush } from '../../src/webpush/delivery/delivery.ts';
import {
  AUTH,
  ENDPOINT,
  ID,
  OTHER_ID,
  P256DH,
  START,
  subscriptionJson,
  tokenOf,
} from '../webpush/subscriptions/subscription-fixtures.ts';
import { createAdminRig, INBOX } from './admin-rig.ts';

type Rig = ReturnType<typeof createAdminRig>;

const USER = 'bob@example.org';
/** What a name may look like at worst. */
const ODD_NAMES = ['a/b@example.org', 'a%2Fb%', 'jörg 🥗@exämple.org', '#&=+', '%', 'users', '...'];

async function subscribe(rig: Rig, user: string, id = ID, endpoint = ENDPOINT): Promise<void> {
  const push = await rig.subscriptions.register(user, id, subscriptionJson({ endpoint }));
  await rig.subscriptions.validate(user, id, tokenOf(push));
}

const owedPush = (id: number): ListedPush => ({
  id,
  user: USER,
  subscriptionId: ID,
  kind: 'message',
  origin: 'https://push.example.com',
  urgency: 'normal',
  createdAt: START,
  expiresAt: START + 60_000,
  attempts: 2,
  nextAttemptAt: START + 1_000,
  payloadOctets: 300,
});

describe('the admin calls', () => {
  it('answer 401 to whoever does not show the admin token, Dovecot’s included', async () => {
    const { app } = createAdminRig();
    for (const url of ['/v1/users', '/v1/users/bob', '/v1/outbox', '/v1/openapi.json']) {
      for (const authorization of [undefined, 'Bearer the-token-of-dovecot', 'Bearer x']) {
        const headers = authorization === undefined ? {} : { authorization };
        assert.equal((await app.inject({ url, headers })).statusCode, 401, url);
      }
    }
  });

  it('have errors in one form, with a code and a sentence', async () => {
    const { call } = createAdminRig();
    const { status, body } = await call('GET', '/v1/users/nobody');
    assert.equal(status, 404);
    assert.deepEqual(body, {
      error: 'not_found',
      message: 'nothing is known of the user "nobody": no annotation and no subscription',
    });
  });

  it('are refused for a name that doveadm would take for many users', async () => {
    const { call } = createAdminRig();
    for (const user of ['*', 'ann?', '*@example.org', 'anna\n'].map(encodeURIComponent)) {
      for (const [method, path] of [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '/annotations'],
        ['POST', '/push-test'],
        ['POST', '/vapid/rotate'],
        ['DELETE', '/throttle'],
        ['DELETE', `/subscriptions/${ID}`],
      ] as const) {
        const { status, body } = await call(method, `/v1/users/${user}${path}`);
        assert.equal(status, 400, `${method} ${path}`);
        assert.match(String(body['message']), /^params\.user contains/);
      }
    }
  });

  it('answer 503 when the store is not there', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    rig.store.full = true;
    const { status, body } = await rig.call('DELETE', `/v1/users/${USER}/subscriptions/${ID}`);
    assert.equal(status, 503);
    assert.equal(body['error'], 'unavailable');
  });
});

describe('GET /v1/users', () => {
  it('pages through users in the order of their names', async () => {
    const rig = createAdminRig();
    const names = ['carol', 'alice', 'bob', 'dave', 'böb'];
    for (const user of names) await subscribe(rig, user);
    const seen: unknown[] = [];
    let url: string | undefined = '/v1/users?limit=2';
    while (url !== undefined) {
      const { status, body } = await rig.call('GET', url);
      assert.equal(status, 200);
      seen.push(...(body['users'] as { user: string }[]).map(({ user }) => user));
      const next = body['next'] as string | undefined;
      url = next === undefined ? undefined : `/v1/users?limit=2&after=${encodeURIComponent(next)}`;
    }
    assert.deepEqual(seen, [...names].sort());
  });

  it('says of each what matters at a glance, and of shared annotations nothing', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    await rig.subscriptions.register(USER, OTHER_ID, subscriptionJson());
    await rig.store.commit(USER, [
      { op: 'set', key: 'coi/config/enabled', value: Buffer.from('yes') },
      { op: 'set', key: 'coi/config/message-filter', value: Buffer.from('seen') },
    ]);
    await rig.store.commit('', [{ op: 'set', key: 'shared/x/comment', value: Buffer.from('x') }]);
    for (let refusal = 0; refusal < 3; refusal++) rig.throttle.refused(USER);
    const { body } = await rig.call('GET', '/v1/users');
    assert.deepEqual(body, {
      users: [
        {
          user: USER,
          enabled: true,
          messageFilter: 'seen',
          subscriptions: 1,
          pending: 1,
          throttled: {
            refusals: 3,
            state: 'paused',
            until: new Date(START + 60_000).toISOString(),
          },
        },
      ],
    });
  });

  for (const query of ['limit=0', 'limit=1001', 'limit=x']) {
    it(`answers 400 to ${query}`, async () => {
      const { status, body } = await createAdminRig().call('GET', `/v1/users?${query}`);
      assert.equal(status, 400);
      assert.match(String(body['message']), /querystring\.limit/);
    });
  }
});

describe('GET /v1/users/:user', () => {
  it('shows subscriptions with their history, and no endpoint, key or token', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER, ID, 'https://push.example.com:8443/secret/path?and=query');
    await rig.subscriptions.register(USER, OTHER_ID, subscriptionJson());
    const endpoint = 'https://push.example.com:8443/secret/path?and=query';
    rig.subscriptions.record(USER, ID, endpoint, {
      delivered: true,
      outcome: 'delivered',
      status: 201,
    });
    rig.subscriptions.record(USER, ID, endpoint, { delivered: false, outcome: 'timeout' });
    const key = await rig.vapidKeys.get(USER);
    const { status, body, octets } = await rig.call('GET', `/v1/users/${USER}`);
    assert.equal(status, 200);
    const common = {
      msgtype: 'chat',
      client: 'My awesome WebPush App',
      device: 'My Favorite Smartphone',
      created: '2019-10-16T16:14:17+00:00',
    };
    const time = new Date(START).toISOString();
    assert.deepEqual(body['subscriptions'], [
      {
        ...common,
        id: ID,
        state: 'validated',
        origin: 'https://push.example.com:8443',
        deliveries: {
          ...{ successes: 1, failures: 1, failuresInARow: 1 },
          ...{ lastOutcome: 'timeout', lastAt: time },
        },
      },
      {
        ...common,
        id: OTHER_ID,
        state: 'pending',
        expires: new Date(START + 300_000).toISOString(),
        origin: 'https://push.example.com',
        deliveries: { successes: 0, failures: 0, failuresInARow: 0 },
      },
    ]);
    assert.deepEqual(body['vapid'], { curve: 'prime256v1', publicKey: key.publicPem });
    for (const secret of ['secret', 'query', P256DH, AUTH, 'tokenHash', 'PRIVATE']) {
      assert.doesNotMatch(octets.toString(), new RegExp(secret));
    }
  });

  it('makes no VAPID key by looking', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    const { body } = await rig.call('GET', `/v1/users/${USER}`);
    assert.equal(body['vapid'], undefined);
    assert.equal(await rig.vapidKeys.find(USER), undefined);
  });

  it('counts what passes through without showing it', async () => {
    const rig = createAdminRig();
    const value = Buffer.from('12345');
    await rig.store.commit(USER, [{ op: 'set', key: `priv/${INBOX}/comment`, value }]);
    const { body } = await rig.call('GET', `/v1/users/${USER}`);
    assert.deepEqual(body['annotations'], { entries: 1, octets: 50 });
  });

  for (const user of ODD_NAMES) {
    it(`finds ${JSON.stringify(user)}, whose name has to be encoded`, async () => {
      const rig = createAdminRig();
      await subscribe(rig, user);
      const { status, body } = await rig.call('GET', `/v1/users/${encodeURIComponent(user)}`);
      assert.equal(status, 200);
      assert.equal(body['user'], user);
    });
  }

  it('finds a name of 1,024 characters that are three octets each', async () => {
    const rig = createAdminRig();
    const user = '语'.repeat(340);
    await subscribe(rig, user);
    assert.equal((await rig.call('GET', `/v1/users/${encodeURIComponent(user)}`)).status, 200);
  });

  it('does not take the empty name for that of shared annotations', async () => {
    const rig = createAdminRig();
    await rig.store.commit('', [{ op: 'set', key: 'shared/x/comment', value: Buffer.from('x') }]);
    assert.ok([400, 404].includes((await rig.call('GET', '/v1/users/')).status));
  });
});

describe('DELETE /v1/users/:user/subscriptions/:id', () => {
  it('removes a subscription and has the clients told', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    await subscribe(rig, USER, OTHER_ID);
    const { status } = await rig.call(
      'DELETE',
      `/v1/users/${USER}/subscriptions/${ID.toUpperCase()}`,
    );
    assert.equal(status, 204);
    assert.deepEqual(
      (await rig.subscriptions.list(USER)).map(({ id }) => id),
      [OTHER_ID],
    );
    assert.deepEqual(rig.published, [USER]);
  });

  it('removes one that waits for its validation, without holding it against the user', async () => {
    const rig = createAdminRig();
    for (let removal = 0; removal < 4; removal++) {
      await rig.subscriptions.register(USER, ID, subscriptionJson());
      const { status } = await rig.call('DELETE', `/v1/users/${USER}/subscriptions/${ID}`);
      assert.equal(status, 204);
      // Nothing else is known of the user, who would be a stranger by now.
      const value = Buffer.from('yes');
      await rig.store.commit(USER, [{ op: 'set', key: 'coi/config/enabled', value }]);
    }
    assert.deepEqual(await rig.subscriptions.list(USER), []);
    assert.deepEqual(rig.throttle.snapshot(), []);
  });

  it('answers 404 to one that is not there, and names it', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    const { status, body } = await rig.call(
      'DELETE',
      `/v1/users/${USER}/subscriptions/${OTHER_ID}`,
    );
    assert.equal(status, 404);
    assert.match(String(body['message']), new RegExp(OTHER_ID));
  });
});

describe('POST /v1/users/:user/push-test', () => {
  it('tests every validated subscription and reports on each', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    await subscribe(rig, USER, 'second-one-here', 'https://other.example/x');
    await rig.subscriptions.register(USER, OTHER_ID, subscriptionJson());
    rig.answerTests({ verdict: 'refused', reason: 'gone', status: 410 });
    const { status, body } = await rig.call('POST', `/v1/users/${USER}/push-test`);
    assert.equal(status, 200);
    const result = { state: 'validated', verdict: 'refused', reason: 'gone', status: 410 };
    assert.deepEqual(body, {
      user: USER,
      results: [
        { ...result, id: ID, origin: 'https://push.example.com' },
        { ...result, id: 'second-one-here', origin: 'https://other.example' },
      ],
    });
    assert.deepEqual(rig.tested[0], { user: USER, id: ID, endpoint: ENDPOINT });
  });

  it('tests one, even while it waits for its validation', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    await rig.subscriptions.register(USER, OTHER_ID, subscriptionJson());
    const { body } = await rig.call('POST', `/v1/users/${USER}/push-test?id=${OTHER_ID}`);
    assert.deepEqual(
      (body['results'] as { state: string }[]).map(({ state }) => state),
      ['pending'],
    );
  });

  it('answers 404 when there is nothing to test', async () => {
    const rig = createAdminRig();
    await rig.subscriptions.register(USER, OTHER_ID, subscriptionJson());
    for (const query of ['', '?id=nothing-of-that-name', '?id=/']) {
      assert.equal((await rig.call('POST', `/v1/users/${USER}/push-test${query}`)).status, 404);
    }
    assert.deepEqual(rig.tested, []);
  });
});

describe('the throttle', () => {
  it('is shown by GET /v1/throttled and lifted by DELETE /v1/users/:user/throttle', async () => {
    const rig = createAdminRig();
    for (const user of ODD_NAMES) {
      for (let refusal = 0; refusal < 3; refusal++) rig.throttle.refused(user);
    }
    const { body } = await rig.call('GET', '/v1/throttled');
    const listed = body['users'] as { user: string; state: string }[];
    assert.deepEqual(
      listed.map(({ user }) => user),
      ODD_NAMES,
    );
    for (const user of ODD_NAMES) {
      const url = `/v1/users/${encodeURIComponent(user)}/throttle`;
      assert.equal((await rig.call('DELETE', url)).status, 204, user);
      assert.equal((await rig.call('DELETE', url)).status, 404, user);
      assert.equal(rig.throttle.admit(user).admitted, true);
    }
  });
});

describe('POST /v1/users/:user/vapid/rotate', () => {
  it('makes a new key, removes all subscriptions, and says so', async () => {
    const rig = createAdminRig();
    await subscribe(rig, USER);
    await rig.subscriptions.register(USER, OTHER_ID, subscriptionJson());
    const before = await rig.vapidKeys.get(USER);
    const { status, body } = await rig.call('POST', `/v1/users/${USER}/vapid/rotate`);
    assert.equal(status, 200);
    assert.equal(body['removedSubscriptions'], 2);
    assert.match(String(body['note']), /subscribe again/);
    const now = await rig.vapidKeys.get(USER);
    assert.notEqual(now.publicPem, before.publicPem);
    assert.equal(body['publicKey'], now.publicPem);
    assert.deepEqual(await rig.subscriptions.list(USER), []);
    assert.deepEqual(rig.published, [USER]);
  });

  it('makes none for a stranger', async () => {
    const rig = createAdminRig();
    assert.equal((await rig.call('POST', '/v1/users/typo/vapid/rotate')).status, 404);
    assert.equal(rig.store.commits.length, 0);
  });
});

describe('the outbox', () => {
  it('is listed page by page, and a push is dropped by its id', async () => {
    const rig = createAdminRig();
    rig.owed.push(owedPush(3), owedPush(5), owedPush(9));
    const first = await rig.call('GET', '/v1/outbox?limit=2');
    assert.deepEqual(first.body, {
      owed: 3,
      pushes: [3, 5].map((id) => ({
        ...{ id, user: USER, subscription: ID, kind: 'message', urgency: 'normal', attempts: 2 },
        origin: 'https://push.example.com',
        created: new Date(START).toISOString(),
        expires: new Date(START + 60_000).toISOString(),
        nextAttempt: new Date(START + 1_000).toISOString(),
        octets: 300,
      })),
      next: 5,
    });
    const second = await rig.call('GET', '/v1/outbox?limit=2&after=5');
    assert.deepEqual(
      (second.body['pushes'] as { id: number }[]).map(({ id }) => id),
      [9],
    );
    assert.equal(second.body['next'], undefined);
    assert.equal((await rig.call('DELETE', '/v1/outbox/5')).status, 204);
    const gone = await rig.call('DELETE', '/v1/outbox/5');
    assert.equal(gone.status, 404);
    assert.equal(gone.body['message'], 'no push 5 is owed');
  });

  for (const id of ['0', '-1', 'x', '1e400']) {
    it(`answers 400 to the id ${id}`, async () =>
      assert.equal((await createAdminRig().call('DELETE', `/v1/outbox/${id}`)).status, 400));
  }
});

describe('/v1/users/:user/annotations', () => {
  const file = Buffer.from(
    `priv/${INBOX}/comment\n\xff\x01n\x01\x31\nshared/${INBOX}/comment\nall\n`,
    'latin1',
  );

  for (const user of ODD_NAMES) {
    it(`takes in and gives back a dict of ${JSON.stringify(user)}`, async () => {
      const rig = createAdminRig();
      const url = `/v1/users/${encodeURIComponent(user)}/annotations`;
      const { status, body } = await rig.call('POST', url, file);
      assert.equal(status, 200);
      assert.deepEqual(body['annotations'], { added: 2, changed: 0, unchanged: 0, kept: 0 });
      assert.deepEqual((await rig.call('GET', url)).octets, file);
    });
  }

  it('understands dry-run and overwrite', async () => {
    const rig = createAdminRig();
    const url = `/v1/users/${USER}/annotations`;
    await rig.call('POST', `${url}?dry-run=true`, file);
    assert.equal(rig.store.commits.length, 0);
    await rig.call('POST', url, file);
    const other = Buffer.from(`priv/${INBOX}/comment\nother\n`);
    const kept = await rig.call('POST', `${url}?overwrite=false`, other);
    assert.deepEqual(kept.body['annotations'], { added: 0, changed: 0, unchanged: 0, kept: 1 });
    const changed = await rig.call('POST', `${url}?overwrite=true`, other);
    assert.deepEqual(changed.body['annotations'], { added: 0, changed: 1, unchanged: 0, kept: 0 });
    assert.equal((await rig.call('POST', `${url}?overwrite=maybe`, other)).status, 400);
  });

  it('counts keys that are no UTF-8', async () => {
    const rig = createAdminRig();
    const { body } = await rig.call(
      'POST',
      `/v1/users/${USER}/annotations`,
      Buffer.from('priv/\xff\nx\n', 'latin1'),
    );
    assert.equal(body['skipped'], 1);
    assert.match(String((body['warnings'] as string[])[0]), /UTF-8/);
  });

  it('takes a dict of many megabytes', async () => {
    const rig = createAdminRig();
    const lines = Array.from(
      { length: 4_000 },
      (_, n) => `priv/${INBOX}/key${n}\n${'x'.repeat(1_000)}\n`,
    );
    const { status, body } = await rig.call(
      'POST',
      `/v1/users/${USER}/annotations`,
      Buffer.from(lines.join('')),
    );
    assert.equal(status, 200);
    assert.equal((body['annotations'] as { added: number }).added, 4_000);
    const { octets } = await rig.call('GET', `/v1/users/${USER}/annotations`);
    assert.equal(parseFileDict(octets).entries.length, 4_000);
  });

  it('answers 415 to another kind of body', async () => {
    const rig = createAdminRig();
    const response = await rig.app.inject({
      method: 'POST',
      url: `/v1/users/${USER}/annotations`,
      headers: { authorization: 'Bearer an-admin-token-for-tests', 'content-type': 'text/csv' },
      payload: 'a,b',
    });
    assert.equal(response.statusCode, 415);
  });

  it('answers 409 when Dovecot keeps the annotations itself', async () => {
    const rig = createAdminRig('doveadm');
    const url = `/v1/users/${USER}/annotations`;
    for (const answer of [await rig.call('POST', url, file), await rig.call('GET', url)]) {
      assert.equal(answer.status, 409);
      assert.match(String(answer.body['message']), /metadata\.source is doveadm/);
    }
    assert.equal(rig.store.commits.length, 0);
  });
});

describe('POST /v1/reload', () => {
  it('drops what is kept in memory', async () => {
    const rig = createAdminRig();
    const { status, body } = await rig.call('POST', '/v1/reload');
    assert.equal(status, 200);
    assert.deepEqual(body, { dropped: ['settings', 'VAPID keys'] });
    assert.equal(rig.forgotten(), 1);
  });
});

describe('DELETE /v1/users/:user', () => {
  it('removes what others keep there, COI’s, WebPush’s and what is on its way to the store', async () => {
    const rig = createAdminRig();
    const comment = { op: 'set', key: 'priv/a/comment', value: Buffer.from('x') } as const;
    await rig.store.commit('bob', [comment, { ...comment, key: 'coi/config/enabled' }]);
    await rig.store.commit('eve', [comment]);
    await rig.vapidKeys.get('bob');
    await subscribe(rig, 'bob');
    rig.subscriptions.record('bob', ID, ENDPOINT, { delivered: true, outcome: 'accepted' });
    const { status, body } = await rig.call('DELETE', '/v1/users/bob');
    assert.equal(status, 200);
    assert.deepEqual(body, {
      ...{ user: 'bob', subscriptions: 1, vapidKeys: 1, annotations: 2 },
      ...{ pushes: 2, spooledEvents: 0, rawlogs: 0 },
    });
    await rig.subscriptions.flush();
    assert.deepEqual(await rig.store.list('bob', ''), []);
    assert.equal((await rig.store.list('eve', '')).length, 1);
    assert.deepEqual(rig.published, [], 'nobody is told');
  });

  it('says where annotations remain when Dovecot keeps them itself', async () => {
    const { call } = createAdminRig('doveadm');
    const { body } = await call('DELETE', '/v1/users/bob');
    assert.match(String(body['note']), /stay there until they are removed there/);
  });
});

describe('GET /v1/openapi.json', () => {
  interface Operation {
    operationId?: string;
    summary?: string;
    responses: Record<string, unknown>;
  }

  it('describes every admin call and its errors', async () => {
    const { body } = await createAdminRig().call('GET', '/v1/openapi.json');
    assert.equal(body['openapi'], '3.1.0');
    assert.deepEqual(body['servers'], [{ url: 'http://localhost:80/' }]);
    const paths = body['paths'] as Record<string, Record<string, Operation>>;
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    assert.deepEqual(operations.map(({ method, path }) => `${method} ${path}`).sort(), [
      'delete /v1/outbox/{id}',
      'delete /v1/test-receivers/{port}',
      'delete /v1/users/{user}',
      'delete /v1/users/{user}/subscriptions/{id}',
      'delete /v1/users/{user}/throttle',
      'get /v1/outbox',
      'get /v1/throttled',
      'get /v1/users',
      'get /v1/users/{user}',
      'get /v1/users/{user}/annotations',
      'post /v1/reload',
      'post /v1/users/{user}/annotations',
      'post /v1/users/{user}/push-test',
      'post /v1/users/{user}/vapid/rotate',
      'put /v1/test-receivers/{port}',
    ]);
    const error = { $ref: '#/components/schemas/Error' };
    for (const { path, operation } of operations) {
      assert.ok(operation.operationId !== undefined && operation.summary !== undefined, path);
      const unauthorized = operation.responses['401'] as {
        content: { 'application/json': { schema: unknown } };
      };
      assert.deepEqual(unauthorized.content['application/json'].schema, error);
    }
    const { schemas, securitySchemes } = body['components'] as Record<string, object>;
    assert.deepEqual(Object.keys(schemas ?? {}), ['Error']);
    assert.deepEqual(securitySchemes, { adminToken: { type: 'http', scheme: 'bearer' } });
  });
});

describe('/v1/test-receivers/:port', () => {
  it('PUT lets pushes through to a port of 127.0.0.1, DELETE no longer', async () => {
    const rig = createAdminRig();
    const { status, body } = await rig.call('PUT', '/v1/test-receivers/4711');
    assert.equal(status, 200);
    assert.deepEqual(body, {
      origin: 'http://127.0.0.1:4711',
      until: new Date(START + 120_000).toISOString(),
    });
    assert.equal((await rig.call('DELETE', '/v1/test-receivers/4711')).status, 204);
    assert.equal((await rig.call('DELETE', '/v1/test-receivers/4711')).status, 404);
  });

  for (const port of ['80', '0', '65536', 'x']) {
    it(`a port that is none of its: ${port}`, async () =>
      assert.equal((await createAdminRig().call('PUT', `/v1/test-receivers/${port}`)).status, 400));
  }

  it('a ninth at a time: 409', async () => {
    const rig = createAdminRig();
    for (let port = 5000; port < 5008; port++) await rig.call('PUT', `/v1/test-receivers/${port}`);
    assert.equal((await rig.call('PUT', '/v1/test-receivers/5008')).status, 409);
  });
});
