import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { assembleStatus } from '../../../src/http/status/assemble-status.ts';
import { readPageAssets } from '../../../src/http/status/page-assets.ts';
import { renderStatus } from '../../../src/http/status/render-status.ts';
import type { OriginSnapshot } from '../../../src/webpush/delivery/delivery.ts';
import type { RecentAttempt } from '../../../src/webpush/delivery/recent-attempts.ts';
import { noBrowser, openPage, startBrowser, type WatchedPage } from '../../support/browser.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { idleFacts, NOW, sample } from './status-facts.ts';

const PHONE = { width: 360, height: 740 };
const NAMES = [
  ...['fcm.googleapis.com', 'updates.push.services.mozilla.com', 'web.push.apple.com'],
  ...['wns2-par02p.notify.windows.com', 'ntfy.household.example.org:8443'],
];

/** Thirty-nine push services in all states would take long to set up for real; the page is the real one. */
const origins = Array.from({ length: 39 }, (_, index): OriginSnapshot => {
  const failedInARow = (index % 4) * 2;
  return {
    origin: `https://${NAMES[index] ?? `device-${index}.lan.example.net:${8_000 + index}`}`,
    ...{ state: index === 0 ? 'failing' : 'open', owed: 172 - index, paused: index % 3 },
    ...{ failedInARow, failedUsers: Math.min(1, failedInARow) },
    ...(failedInARow > 0 && { lastFailure: 'server-error' }),
  };
});
const attempts = NAMES.map((name, index): RecentAttempt => {
  const delivered = index % 2 === 0;
  return {
    ...{ at: NOW - 8_000 * index, kind: 'validation', service: `https://${name}`, delivered },
    ...(delivered
      ? { outcome: 'accepted', status: 201, seconds: 0.1 }
      : { outcome: 'unauthorized', status: 401, seconds: 0.1 }),
  };
});
const facts = idleFacts({
  samples: [sample(0, {}, { owed: 172 }), sample(3, { mail: 5 }, { owed: 172 })],
  delivery: { state: 'running', owed: 172, oldestAgeMsecs: 90_000, origins, originCount: 39 },
  attempts,
  throttledUsers: 3,
});

describe('the layout of the status page', { skip: noBrowser }, () => {
  let browser: Browser;
  let url = '';

  const teardown = createTeardown();
  before(async () => {
    const server = await servePage();
    teardown.defer(() => void server.close());
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await startBrowser();
    teardown.defer(() => browser.close());
  });

  async function open(options: BrowserContextOptions): Promise<WatchedPage> {
    const watched = await openPage(browser, options);
    await watched.page.goto(url);
    return watched;
  }

  for (const viewport of [PHONE, { width: 600, height: 800 }, { width: 1280, height: 800 }]) {
    it(`breaks no word, and fits (${viewport.width} px)`, async () => {
      const watched = await open({ viewport });
      const { page } = watched;
      assert.deepEqual(await page.evaluate(BROKEN_WORDS), []);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      assert.equal(width, viewport.width);
      await watched.close();
    });
  }

  it('shows a dozen push services on a phone, in two lines each at most, and says how many more', async () => {
    const watched = await open({ viewport: PHONE });
    const { page } = watched;
    const rows = await page.locator('#services tbody tr').all();
    assert.equal(rows.length, 12);
    for (const row of rows) {
      const box = await row.boundingBox();
      assert.ok(box && box.height < 64, `${await row.innerText()}: ${box?.height} px`);
    }
    assert.match(await page.locator('#services').innerText(), /and 27 more$/);
    await watched.close();
  });

  it('keeps its marks where a reader has colours of their own', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const watched = await open({ forcedColors: 'active', colorScheme });
      assert.deepEqual(await watched.page.evaluate(INVISIBLE_MARKS), []);
      await watched.close();
    }
  });

  it('draws no past that the process did not have', async () => {
    const watched = await open({});
    const bars = watched.page.locator('#figures > div:has(dt:text-is("Outbox")) rect');
    assert.equal(await bars.count(), 4);
    await watched.close();
  });

  it('leads to doctor and to the documentation, which is there', async () => {
    const watched = await open({});
    const { page } = watched;
    assert.match(await page.locator('footer').innerText(), /coi-sidecar doctor/);
    for (const [link, title] of [
      ['what to do, by symptom', /^# When something does not work/],
      ['what doctor finds', /^# .*doctor/],
    ] as const) {
      await page.getByRole('link', { name: link }).click();
      assert.match(await page.locator('body').innerText(), title);
      await page.goBack();
    }
    assert.deepEqual(watched.complaints, []);
    await watched.close();
  });
});

/** What src/http/routes/status.ts serves, without the token. */
async function servePage(): Promise<Server> {
  const assets = readPageAssets();
  const page = renderStatus(assembleStatus(facts), {
    ...{ host: 'mail.example.org', period: 3_600, reload: 3_600 },
    ...{ time: new Date(NOW).toISOString(), clock: '12:00:00 UTC', assets },
  });
  const files = [assets.style, assets.script].concat(
    Object.values(assets.icons),
    Object.values(assets.documents),
  );
  const server = createServer(({ url = '/' }, response) => {
    const file = files.find(({ path }) => url.split('?')[0] === path);
    response.setHeader('content-type', file?.type ?? 'text/html; charset=utf-8');
    response.end(file?.body ?? page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** Words that go on in another line, though no break may be there: runs in the page. */
const BROKEN_WORDS = `(() => {
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const broken = [];
  const range = document.createRange();
  while (words.nextNode()) {
    const { currentNode: node } = words;
    if (!node.parentElement.checkVisibility()) continue;
    // A line may end after a hyphen, and before a dot or a port, where the page says so.
    for (const { 0: word, index } of node.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const tops = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
      if (tops.size > 1) broken.push(word);
    }
  }
  return broken;
})()`;

/** Marks of which nothing differs from what is behind them: runs in the page. */
const INVISIBLE_MARKS = `(() => {
  const behind = getComputedStyle(document.body).backgroundColor;
  const clear = (colour) => colour === behind || /^rgba\\(.*, 0\\)$/.test(colour);
  return [...document.querySelectorAll('.mark')]
    .filter((mark) => {
      const { backgroundColor, borderTopColor, borderTopWidth, width } = getComputedStyle(mark);
      const isFilled = !clear(backgroundColor);
      const hasRing = borderTopWidth !== '0px' && !clear(borderTopColor);
      return width === '0px' || !(isFilled || hasRing);
    })
    .map((mark) => mark.parentElement.outerHTML);
})()`;
