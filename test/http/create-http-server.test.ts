import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { Transaction } from '../../src/events/event-schema.ts';
import { createProbes, PROBE_USER, probeSubject } from '../../src/events/probes.ts';
import { BodyBudget } from '../../src/socket/body-budget.ts';
import { createHttpServer } from '../../src/http/create-http-server.ts';
import { LIMITS } from '../../src/http/limits.ts';
import { createMetrics } from '../../src/metrics.ts';
import { UnavailableError } from '../../src/errors.ts';

const TOKEN = 'a-token-of-some-length';
const authorization = `Bearer ${TOKEN}`;
const event = {
  event: 'MessageNew' as const,
  mailbox: 'INBOX',
  uid: 7,
  uidvalidity: 1_600_000_000,
};

describe('the HTTP service', () => {
  const taken: Transaction[] = [];
  const classified: { user: string; message: string }[] = [];
  const noticed: string[] = [];
  const probes = createProbes();
  let broken: string | undefined;
  let spoolFull = false;
  let reset = false;
  let now = 0;
  let app: FastifyInstance;

  before(async () => {
    app = createHttpServer({
      bodies: new BodyBudget(256 * 1_048_576),
      // Each look is later than the last answer may be old.
      monotonic: () => (now += 2_000),
      log: pino({ level: 'silent' }),
      token: TOKEN,
      adminToken: '',
      intake: {
        take: (transaction) => {
          if (spoolFull) return Promise.reject(new UnavailableError('the disk is full'));
          if (reset) return Promise.reject(Object.assign(new Error('r'), { code: 'ECONNRESET' }));
          taken.push(transaction);
          return Promise.resolve('done');
        },
      },
      classify: (user, message) => {
        classified.push({ user, message: message.toString('latin1') });
        return Promise.resolve({ action: 'file', mailbox: 'COI/Chäts' });
      },
      probes,
      onMetadataCommand: (user, command) => noticed.push(`${command} ${user}`),
      checks: [
        {
          name: 'doveadm',
          check: () =>
            broken === undefined ? Promise.resolve() : Promise.reject(new Error(broken)),
        },
        { name: 'store', check: () => Promise.resolve() },
      ],
      registry: createMetrics().registry,
    });
    await app.ready();
  });
  after(() => app.close());

  const post = (
    url: string,
    payload: unknown,
    headers: Record<string, string> = { authorization },
  ) => app.inject({ method: 'POST', url, payload: payload as object, headers });

  it('does not wait for ever for the rest of a request', () => {
    assert(app.server.requestTimeout > 0);
  });

  it('hands events on and answers 204', async () => {
    const response = await post('/v1/events', { user: 'alice', events: [{ ...event, extra: 1 }] });
    assert.equal(response.statusCode, 204);
    assert.equal(taken.at(-1)?.user, 'alice');
  });

  it('takes events in the header Coi-Events, or as a body, and reads U+FFFD for what is not UTF-8', async () => {
    const text = JSON.stringify({ user: 'alice', events: [{ ...event, subject: '@ Grüße @' }] });
    const octets = Buffer.from(
      Buffer.from(text).toString('latin1').replaceAll('@', '\xff'),
      'latin1',
    );
    const json = { authorization, 'content-type': 'application/json' };
    const requests = [
      post('/v1/events', octets, json),
      post('/v1/events', '', { authorization, 'coi-events': octets.toString('latin1') }),
    ];
    for (const response of await Promise.all(requests)) {
      assert.equal(response.statusCode, 204);
      const [reported] = taken.pop()?.events ?? [];
      assert.ok(reported?.event === 'MessageNew');
      assert.equal(reported.subject, '\ufffd Grüße \ufffd');
    }
  });

  it('takes what the ox driver sends, as the one method that it knows', async () => {
    const payload = {
      ...{ user: 'olga', event: 'messageNew', folder: 'INBOX', snippet: 'Hello', unseen: 2 },
      ...{ 'imap-uid': 7, 'imap-uidvalidity': 1_600_000_000, subject: '=?utf-8?q?=C3=84?=' },
    };
    const put = (body: object) =>
      app.inject({
        method: 'PUT',
        url: '/v1/ox-events',
        payload: body,
        headers: {
          authorization: `Basic ${Buffer.from(`dovecot:${TOKEN}`).toString('base64')}`,
          'content-type': 'application/json; charset=utf-8',
        },
      });
    assert.equal((await put(payload)).statusCode, 204);
    assert.deepEqual(taken.at(-1), { user: 'olga', events: [{ ...event, subject: 'Ä' }] });
    const long = 'x'.repeat(2_000_000);
    assert.equal((await put({ ...payload, subject: long, from: long })).statusCode, 204);
    assert.equal((await put({ ...payload, event: 'messageRead' })).statusCode, 400);
    const { statusCode } = await app.inject({ method: 'PUT', url: '/v1/ox-events', payload });
    assert.equal(statusCode, 401);
  });

  for (const user of ['*', 'ann?', '*@example.org', 'anna\n', 'anna\0']) {
    it(`refuses what is sent about ${JSON.stringify(user)}`, async () => {
      const before = [taken.length, classified.length, noticed.length];
      const json = { authorization, 'content-type': 'application/json' };
      const ox = {
        user,
        event: 'messageNew',
        folder: 'INBOX',
        'imap-uid': 7,
        'imap-uidvalidity': 7,
      };
      const notice = { event: 'imap_command_finished', fields: { user, cmd_name: 'SETMETADATA' } };
      const requests = [
        post('/v1/events', { user, events: [event] }),
        post('/v1/events', '', {
          authorization,
          'coi-events': JSON.stringify({ user, events: [event] }),
        }),
        app.inject({ method: 'PUT', url: '/v1/ox-events', payload: ox, headers: json }),
        post('/v1/imap-commands', notice),
        post(`/v1/classify?user=${encodeURIComponent(user)}`, 'Chat-Version: 1.0\n\n'),
      ];
      for (const response of await Promise.all(requests)) {
        assert.equal(response.statusCode, 400, response.body);
        assert.match(response.body, /mask of many users|control character/);
      }
      assert.deepEqual([taken.length, classified.length, noticed.length], before);
    });
  }

  it('says what came of a probe, to who has the token of Dovecot', async () => {
    const id = '0a1b2c3d-0000-4000-8000-00000000000a';
    probes.take({ user: PROBE_USER, events: [{ ...event, subject: probeSubject(id) }] });
    const ask = (url: string, headers = { authorization }) => app.inject({ url, headers });
    const response = await ask(`/v1/probes/${id}`);
    assert.deepEqual(response.json(), { classified: false, reported: true });
    assert.equal((await ask('/v1/probes/all')).statusCode, 400);
    const { statusCode } = await ask(`/v1/probes/${id}`, { authorization: 'Bearer x' });
    assert.equal(statusCode, 401);
  });

  it('takes the token as the password of Basic authentication', async () => {
    const basic = `Basic ${Buffer.from(`dovecot:${TOKEN}`).toString('base64')}`;
    const response = await post(
      '/v1/events',
      { user: 'a', events: [event] },
      { authorization: basic },
    );
    assert.equal(response.statusCode, 204);
  });

  for (const [name, header] of [
    ['no token', undefined],
    ['a wrong token', 'Bearer something-else-entirely'],
    ['a longer token', `Bearer ${TOKEN}x`],
    ['another scheme', `Digest ${TOKEN}`],
  ] as const) {
    it(`answers 401 to ${name}, before it looks at the body`, async () => {
      const before = taken.length;
      const headers: Record<string, string> = header === undefined ? {} : { authorization: header };
      for (const url of ['/v1/events', '/v1/classify?user=a', '/v1/imap-commands']) {
        assert.equal(
          (await post(url, { user: 'a', events: [event] }, headers)).statusCode,
          401,
          url,
        );
      }
      assert.equal(taken.length, before);
    });
  }

  const bad: [name: string, body: unknown, message: RegExp][] = [
    ['no user', { events: [event] }, /user/],
    ['an empty user', { user: '', events: [event] }, /body\.user/],
    ['no events', { user: 'a', events: [] }, /body\.events/],
    [
      'a uid of zero for what is numbered',
      { user: 'a', events: [{ ...event, event: 'MessageRead', uid: 0 }] },
      /body\.events\.0/,
    ],
    [
      'a uid past 32 bits',
      { user: 'a', events: [{ ...event, uid: 4_294_967_296 }] },
      /body\.events\.0/,
    ],
    ['an unknown event', { user: 'a', events: [{ ...event, event: 'Foo' }] }, /body\.events\.0/],
  ];
  for (const [name, body, message] of bad) {
    it(`answers 400 to ${name} and names the field`, async () => {
      const response = await post('/v1/events', body);
      assert.equal(response.statusCode, 400);
      assert.match(response.json<{ message: string }>().message, message);
    });
  }

  it('answers 400 to a body that is not JSON', async () => {
    const response = await app.inject({
      method: 'POST',
      url: '/v1/events',
      payload: '{"user":',
      headers: { authorization, 'content-type': 'application/json' },
    });
    assert.equal(response.statusCode, 400);
  });

  it('answers 413 to a notice past its limit', async () => {
    const notice = { event: 'x'.repeat(100), fields: { cmd_args: 'x'.repeat(LIMITS.notice) } };
    assert.equal((await post('/v1/imap-commands', notice)).statusCode, 413);
  });

  it('answers 503 when not even the spool takes an event, so that Dovecot keeps it', async () => {
    spoolFull = true;
    const response = await post('/v1/events', { user: 'a', events: [event] });
    spoolFull = false;
    assert.equal(response.statusCode, 503);
    assert.deepEqual(response.json(), { error: 'unavailable', message: 'the disk is full' });
  });

  it('answers 500 when what broke was a connection of ours', { timeout: 10_000 }, async () => {
    reset = true;
    const response = await post('/v1/events', { user: 'a', events: [event] });
    reset = false;
    assert.equal(response.statusCode, 500);
    assert.equal(response.json<{ error: string }>().error, 'internal');
  });

  it('classifies a message of any octets and answers the line that Sieve expects', async () => {
    const response = await app.inject({
      method: 'POST',
      url: '/v1/classify?user=b%C3%B6b%40example.org',
      payload: Buffer.from('Subject: \xff\0\r\n\r\n', 'latin1'),
      headers: { authorization, 'content-type': 'message/rfc822' },
    });
    assert.equal(response.statusCode, 200);
    assert.equal(response.body, 'file COI/Chäts');
    assert.deepEqual(classified.at(-1), {
      user: 'böb@example.org',
      message: 'Subject: \xff\0\r\n\r\n',
    });
  });

  it('answers 400 to a classification without a user', async () => {
    const response = await app.inject({
      method: 'POST',
      url: '/v1/classify',
      payload: 'x',
      headers: { authorization },
    });
    assert.equal(response.statusCode, 400);
    assert.match(response.json<{ message: string }>().message, /user/);
  });

  it('takes notices of metadata commands', async () => {
    const notice = {
      event: 'imap_command_finished',
      hostname: 'mx',
      fields: { user: 'carol', cmd_name: 'SETMETADATA', tagged_reply_state: 'OK' },
    };
    assert.equal((await post('/v1/imap-commands', notice)).statusCode, 204);
    assert.equal(noticed.at(-1), 'SETMETADATA carol');
  });

  it('says in /readyz which road is not ready', async () => {
    const ready = await app.inject('/readyz');
    assert.equal(ready.statusCode, 200);
    broken = 'the doveadm API does not answer';
    const unready = await app.inject('/readyz');
    broken = undefined;
    assert.equal(unready.statusCode, 503);
    assert.deepEqual(unready.json(), {
      ready: false,
      checks: { doveadm: 'the doveadm API does not answer', store: 'ok' },
    });
  });

  it('shows health and metrics without a token', async () => {
    const health = (await app.inject('/healthz')).json<Record<string, string>>();
    assert.equal(health['status'], 'ok');
    assert.match(health['version'] ?? '', /^\d+\.\d+\.\d+/);
    assert.ok(Math.abs(Date.parse(health['started'] ?? '') - Date.now()) < 3_600_000);
    const metrics = await app.inject('/metrics');
    assert.match(metrics.body, /^# TYPE coi_pushes_total counter$/m);
    assert.match(metrics.body, /^process_cpu_seconds_total /m);
  });
});
