import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { startAtZero } from '../../src/app/start-at-zero.ts';
import { createMetrics } from '../../src/metrics.ts';
import { noBrowser, openPage, startBrowser, type WatchedPage } from '../support/browser.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { answerWith } from '../support/push-service.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import type { UserAgent } from '../support/user-agent.ts';
import { chat, coiAccount, deliverTo, mail, subscribe, type Account } from './conformance/steps.ts';

const ADMIN = 'an-admin-token-for-tests';
const [{ skip: noDovecot } = { skip: 'no Dovecot here' }] = dovecotVersions;
const PHONE = { width: 360, height: 740 };
/** The page looks every five seconds; a busy machine takes longer. */
const A_FEW_LOOKS = { timeout: 40_000 };

describe('the status page in a browser', { skip: noBrowser || noDovecot }, () => {
  let stage: Stage;
  let browser: Browser;
  let reader: Account & { agent: UserAgent };

  const teardown = createTeardown();
  before(async () => {
    stage = await startStage();
    teardown.defer(() => stage.close());
    browser = await startBrowser();
    teardown.defer(() => browser.close());
    const account = await coiAccount(stage, 'active');
    reader = { ...account, agent: await stage.userAgent() };
    await subscribe(account.client, reader.agent);
  });

  async function open(options: BrowserContextOptions = {}): Promise<WatchedPage> {
    const httpCredentials = { username: 'anyone', password: ADMIN };
    const watched = await openPage(browser, { httpCredentials, ...options });
    const response = await watched.page.goto(stage.app.url);
    assert.equal(response?.status(), 200);
    return watched;
  }

  /** What the page says in a part of it. */
  const text = ({ page }: WatchedPage, selector: string): Promise<string> =>
    page.locator(selector).innerText();
  const figure = (watched: WatchedPage, name: string, part = '.value'): Promise<string> =>
    text(watched, `#figures > div:has(dt:text-is("${name}")) ${part}`);

  /** Whether any of the page is out of sight to the right. */
  const isWiderThanItsWindow = ({ page }: WatchedPage): Promise<boolean> =>
    page.evaluate('document.documentElement.scrollWidth > window.innerWidth');

  it('asks a browser for name and password, and shows nothing without', async () => {
    const stranger = await openPage(browser);
    // What a browser that has nobody to ask does in place of asking.
    await assert.rejects(stranger.page.goto(stage.app.url), /ERR_INVALID_AUTH_CREDENTIALS/);
    await stranger.close();
    const httpCredentials = { username: 'anyone', password: 'not the token' };
    const guesser = await openPage(browser, { httpCredentials });
    const response = await guesser.page.goto(stage.app.url);
    assert.equal(response?.status(), 401);
    assert.doesNotMatch(await guesser.page.content(), /Roads/);
    await guesser.close();
  });

  it('says at a glance that everything works, and honestly that nothing happened yet', async () => {
    const watched = await open();
    assert.equal(await text(watched, '#headline'), 'Everything works');
    assert.match(await text(watched, '#roads'), /events\s+not used yet/);
    assert.match(await text(watched, '#roads'), /metadata\s+in use/);
    assert.match(await text(watched, '#services'), /Nothing is owed/);
    assert.equal(await figure(watched, 'Mail reported'), '0 a minute');
    assert.match(await watched.page.title(), /^Everything works · coi-sidecar on /);
    await watched.close();
  });

  it('shows what happens without being loaded again', async () => {
    const watched = await open();
    const { page } = watched;
    await page.evaluate('window.isTheSamePage = true');
    assert.equal(await text(watched, '#freshness span:not(.mark)'), 'Live');
    for (const message of [chat(), chat(), mail('Subject: a subject of a mail')]) {
      await deliverTo(stage, reader.user, message);
      await reader.agent.next();
    }
    await page.locator('#attempts td:has-text("message")').nth(2).waitFor(A_FEW_LOOKS);
    assert.equal(await figure(watched, 'Mail reported', '.note'), '3 in 30 min');
    assert.equal(await figure(watched, 'Chat found', '.note'), '2 in 30 min');
    // A validation among them.
    assert.equal(await figure(watched, 'Pushes accepted', '.note'), '4 in 30 min');
    assert.match(await figure(watched, 'Push latency'), /^[\d.,]+ (ms|s) median$/);
    assert.match(await text(watched, '#roads'), /events\s+in use/);
    assert.match(await text(watched, '#attempts'), /accepted 201/);
    assert.equal(await page.evaluate('window.isTheSamePage'), true);
    assert.deepEqual(watched.complaints, []);
    await watched.close();
  });

  it('shows the same without JavaScript, and reloads by itself', async () => {
    const watched = await open({ javaScriptEnabled: false });
    assert.equal(await text(watched, '#headline'), 'Everything works');
    assert.match(await text(watched, '#roads'), /events\s+in use/);
    assert.match(await text(watched, '#attempts'), /accepted 201/);
    assert.equal(await text(watched, '#freshness span:not(.mark)'), 'As of');
    const first = await text(watched, '#as-of');
    await eventually(async () => assert.notEqual(await text(watched, '#as-of'), first), 60_000);
    assert.deepEqual(watched.complaints, []);
    await watched.close();
  });

  it('names a push service to which something is owed, and how many of its push resources are paused', async () => {
    const watched = await open();
    const { agent } = reader;
    agent.answer = answerWith(429, { 'retry-after': '600' });
    await deliverTo(stage, reader.user, chat());
    await agent.next();
    const { host } = new URL(agent.resource.endpoint);
    const row = watched.page.locator('#services tr', { hasText: host });
    await row.waitFor(A_FEW_LOOKS);
    assert.match(await row.innerText(), /throttled\s+1\s+1$/);
    assert.equal(await text(watched, '#headline'), 'Everything works');
    assert.match(await text(watched, '#attempts'), /throttled 429/);
    assert.equal(await figure(watched, 'Outbox'), '1 owed');
    await watched.close();
  });

  it('does not say that everything works where pushes are refused; nor do /readyz and the metrics', async () => {
    const { user, client } = await coiAccount(stage, 'active');
    const agent = await stage.userAgent();
    await subscribe(client, agent);
    agent.answer = answerWith(403);
    await deliverTo(stage, user, chat());
    const watched = await open();
    const { host } = new URL(agent.resource.endpoint);
    const row = watched.page.locator('#services tr', { hasText: host });
    await row.getByText('failing').waitFor(A_FEW_LOOKS);
    assert.match(await row.innerText(), /failing\s+forbidden\s+1\s/);
    await watched.page.getByText('Works, with something to look at').waitFor(A_FEW_LOOKS);
    assert.match(
      await text(watched, '#problems'),
      /pushes 3 attempts refused with 401, 403 or 407/,
    );
    await watched.close();
    const get = async (path: string): Promise<string> =>
      (await fetch(new URL(path, stage.app.url))).text();
    const { checks } = JSON.parse(await get('/readyz')) as { checks: Record<string, string> };
    assert.match(checks['traffic'] ?? '', /^ok; pushes: \d attempts refused/);
    const metrics = await get('/metrics');
    assert.match(metrics, /^coi_problem\{problem="pushes_refused",severity="warning"\} 1$/m);
    assert.match(metrics, /^coi_problem\{problem="pushes_refused",severity="critical"\} 0$/m);
    assert.match(metrics, /^coi_ready\{check="outbox"\} 1$/m);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`can be read on a phone and on a desk (${colorScheme})`, async () => {
      for (const viewport of [PHONE, { width: 1280, height: 800 }]) {
        const watched = await open({ viewport, colorScheme });
        assert.equal(await isWiderThanItsWindow(watched), false, `${viewport.width} px`);
        assert.deepEqual(await watched.page.evaluate(TEXT_OF_LOW_CONTRAST), []);
        await watched.close();
      }
    });
  }

  it('can be found one’s way in by ear: landmarks, headings, tables, states in words', async () => {
    const watched = await open();
    const { page } = watched;
    for (const role of ['banner', 'main', 'contentinfo'] as const) {
      assert.equal(await page.getByRole(role).count(), 1, role);
    }
    assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
    const [headline, ...titles] = await page.getByRole('heading', { level: 2 }).allTextContents();
    assert.match(headline ?? '', /works/i);
    assert.deepEqual(titles, ['Roads', 'Parts', 'Push services', 'Recent outcomes']);
    assert.equal(await page.getByRole('columnheader', { name: 'Outcome' }).count(), 1);
    assert.equal(await page.getByRole('status').count(), 1);
    const sparklines = await page.getByRole('img').all();
    assert.equal(sparklines.length, 6);
    for (const one of sparklines) {
      assert.match((await one.getAttribute('aria-label')) ?? '', / since the start$/);
    }
    for (const state of await page.locator('.state').all()) {
      assert.match(await state.innerText(), /\w/);
    }
    await watched.close();
  });

  it('runs nothing and loads nothing that is not its own', async () => {
    const watched = await open();
    const { page } = watched;
    const origins = new Set(watched.requests.map((url) => new URL(url).origin));
    assert.deepEqual([...origins], [stage.app.url]);
    assert.deepEqual(watched.complaints, []);
    await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'window.isTaken = true';
      const style = document.createElement('style');
      style.textContent = 'body { display: none }';
      const image = new Image();
      image.src = 'http://127.0.0.1:9/pixel';
      document.body.append(script, style, image);
    `);
    await eventually(() => {
      for (const what of ['inline script', 'inline style', 'image']) {
        const said = watched.complaints.filter((line) => line.includes(what));
        assert.ok(
          said.some((line) => line.includes('Content Security Policy')),
          what,
        );
      }
    });
    assert.equal(await page.evaluate('window.isTaken'), undefined);
    assert.ok(await page.locator('main').isVisible());
    await watched.close();
  });

  it('tells no secret, and no name of a user', async () => {
    const watched = await open();
    const { page } = watched;
    const sources = [await page.content(), await (await page.request.get(stage.app.url)).text()];
    const { endpoint, keys } = reader.agent.resource;
    const secrets = {
      'http.admin_token': ADMIN,
      'http.token': stage.dovecot.sidecar.token,
      'doveadm.api_key': stage.dovecot.doveadm.apiKey,
      endpoint: new URL(endpoint).pathname,
      p256dh: keys.p256dh,
      auth: keys.auth,
      user: reader.user.split('@')[0] ?? '',
      'subscription id': 'subscription-1',
      sender: 'alice@example.org',
      subject: 'a subject of a mail',
    };
    for (const source of sources) {
      assert.match(source, /Recent outcomes/);
      for (const [what, secret] of Object.entries(secrets)) {
        assert.ok(!source.includes(secret), what);
      }
    }
    await watched.close();
  });

  it('counts under no label that was not there from the start', async () => {
    const fresh = createMetrics();
    startAtZero(fresh);
    const known = countersIn(await fresh.registry.metrics());
    const text = await (await fetch(new URL('/metrics', stage.app.url))).text();
    assert.ok(known.length > 100);
    assert.deepEqual(
      countersIn(text).filter((series) => !known.includes(series)),
      [],
    );
    assert.match(text, /^coi_pushes_total\{kind="message",outcome="forbidden"\} [1-9]/m);
    assert.match(text, /^coi_doveadm_requests_total\{command="fetch",result="failed"\} 0$/m);
  });

  it('says when the service is gone, and is live again when it is back', async () => {
    const watched = await open();
    const { page } = watched;
    await stage.app.stop();
    const stale = page.getByText('Not live, the service does not answer; as of');
    await stale.waitFor(A_FEW_LOOKS);
    await stage.restart();
    await page.locator('#freshness[data-tone="good"]').waitFor(A_FEW_LOOKS);
    assert.equal(await stale.count(), 0);
    await watched.close();
  });
});

/** The series of our counters, with their labels. */
const countersIn = (text: string): string[] =>
  [...text.matchAll(/^(coi_\w+_total(?:\{[^}]*\})?) /gm)].map(([, series = '']) => series);

/**
 * Text whose contrast with what is behind it is less than WCAG 2.2 asks for at level AA (1.4.3): runs
 * in the page. Nothing on it has a background but the page itself.
 */
const TEXT_OF_LOW_CONTRAST = `(() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = luminance(getComputedStyle(document.body).backgroundColor);
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const low = [];
  while (words.nextNode()) {
    const { parentElement: element, data } = words.currentNode;
    if (data.trim() === '' || !element.checkVisibility()) continue;
    const [light, dark] = [behind, luminance(getComputedStyle(element).color)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) low.push(data.trim() + ': ' + contrast.toFixed(2));
  }
  return low;
})()`;
