import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createProbes } from '../../src/events/probes.ts';
import { BodyBudget } from '../../src/socket/body-budget.ts';
import { createHttpServer } from '../../src/http/create-http-server.ts';
import { statusRoutes } from '../../src/http/routes/status.ts';
import { readPageAssets } from '../../src/http/status/page-assets.ts';
import { createMetrics } from '../../src/metrics.ts';

const ADMIN = 'an-admin-token-of-some-length';
const basic = (password: string): string =>
  `Basic ${Buffer.from(`anyone:${password}`).toString('base64')}`;

const servers: FastifyInstance[] = [];

function serve(adminToken: string): FastifyInstance {
  const app = createHttpServer({
    bodies: new BodyBudget(256 * 1_048_576),
    monotonic: () => performance.now(),
    log: pino({ level: 'silent' }),
    token: 'a-token-of-some-length',
    adminToken,
    intake: { take: () => Promise.resolve('done') },
    classify: () => Promise.resolve({ action: 'keep' }),
    probes: createProbes(),
    onMetadataCommand: () => undefined,
    checks: [],
    registry: createMetrics().registry,
    // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
    adminRoutes: async (admin) => {
      admin.post('/v1/change-something', () => ({ changed: true }));
    },
    statusRoutes: statusRoutes({
      page: () => Promise.resolve('<!doctype html><title>The page</title>'),
      assets: readPageAssets(),
    }),
  });
  servers.push(app);
  return app;
}

describe('who gets the status page', () => {
  after(() => Promise.all(servers.map((app) => app.close())));
  const app = serve(ADMIN);
  const get = (authorization?: string, url = '/') =>
    app.inject({ url, headers: { ...(authorization !== undefined && { authorization }) } });

  it('whoever shows the admin’s token, by Basic authentication as browsers do, or as Bearer', async () => {
    for (const shown of [basic(ADMIN), `Bearer ${ADMIN}`]) {
      const { statusCode, body } = await get(shown);
      assert.equal(statusCode, 200);
      assert.match(body, /The page/);
    }
  });

  it('nobody else, and a browser is told to ask for it', async () => {
    const shown = [undefined, basic('wrong'), basic('a-token-of-some-length'), 'Bearer wrong'];
    for (const one of shown) {
      for (const url of ['/', '/status.css', '/status.js', '/icon-good.svg']) {
        const { statusCode, headers, body } = await get(one, url);
        assert.equal(statusCode, 401, `${one ?? 'nothing'} for ${url}`);
        assert.match(String(headers['www-authenticate']), /^Basic realm=/);
        assert.doesNotMatch(body, /The page|color|period/);
      }
    }
  });

  it('calls that change something do not take what a browser sends along for any site', async () => {
    const call = (authorization: string) =>
      app.inject({ method: 'POST', url: '/v1/change-something', headers: { authorization } });
    assert.equal((await call(basic(ADMIN))).statusCode, 401);
    assert.equal((await call(`Bearer ${ADMIN}`)).statusCode, 200);
  });

  it('nobody without an admin’s token, and is told how to get one', async () => {
    const { statusCode, body } = await serve('').inject({ url: '/' });
    assert.equal(statusCode, 404);
    assert.match(body, /http\.admin_token/);
  });

  it('with headers that let it load only what is its own, and keep it out of caches and frames', async () => {
    const { headers } = await get(basic(ADMIN));
    const policy = String(headers['content-security-policy']).split('; ');
    assert.ok(policy.includes("default-src 'none'"));
    assert.ok(policy.includes("frame-ancestors 'none'"));
    assert.ok(!policy.join().includes('unsafe'));
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
  });

  it('with a style sheet and a script that browsers may keep, under names that change with them', async () => {
    const { style, script, icons } = readPageAssets();
    for (const { url, type, body } of [style, script, icons.good, icons.bad]) {
      assert.match(url, /\?[0-9a-f]{12}$/);
      const answer = await get(basic(ADMIN), url);
      assert.equal(answer.statusCode, 200);
      assert.equal(answer.headers['content-type'], type);
      assert.match(String(answer.headers['cache-control']), /immutable/);
      assert.equal(answer.body, body);
    }
    assert.notEqual(icons.good.body, icons.bad.body);
  });
});
