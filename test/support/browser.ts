import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const found = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((dir) =>
    ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(dir, name)),
  )
  .find((path) => existsSync(path));

/** For suites that need a browser: `describe(name, { skip: noBrowser }, …)`. */
export const noBrowser: string | false =
  found === undefined && 'no Chromium here: as root, run scripts/setup.sh chromium';

/** A headless Chromium with a profile of its own, which finds no host but this one. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: found ?? 'chromium',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  });

/** A page, and what a developer would see in its console and network tabs. */
export interface WatchedPage {
  page: Page;
  /** Errors and warnings of the console, scripts that failed, and answers that are no success. */
  complaints: string[];
  /** The URLs of all requests. */
  requests: string[];
  close(): Promise<void>;
}

/** A page in a context of its own: no cache, no credentials but those given. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('request', (request) => requests.push(request.url()));
  page.on('response', (response) => {
    if (!response.ok()) complaints.push(`${response.status()} ${response.url()}`);
  });
  return { page, complaints, requests, close: () => context.close() };
}
