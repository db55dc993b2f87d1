import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Tone } from './status-view.ts';

/** The package: `web/` and `docs/` stand in it, beside `src/` or `dist/`. */
const PACKAGE_ROOT = new URL('../../../', import.meta.url);

export interface PageAsset {
  /** Where it is served; its query changes with its contents, so that it may be kept for ever. */
  url: string;
  path: string;
  type: string;
  body: string;
}

export interface PageAssets {
  style: PageAsset;
  script: PageAsset;
  icons: Record<Tone, PageAsset>;
  /** Of the documentation: what helps somebody who is looking at this page; as it is written, in Markdown. */
  documents: Record<'troubleshooting' | 'doctor', PageAsset>;
}

/** Read once, at start. */
export function readPageAssets(): PageAssets {
  const icon = readFileSync(new URL('web/icon.svg', PACKAGE_ROOT), 'utf8');
  const iconOf = (tone: Tone): PageAsset =>
    asset(`/icon-${tone}.svg`, 'image/svg+xml', icon.replace('currentColor', ICON_COLOURS[tone]));
  return {
    style: asset('/status.css', 'text/css; charset=utf-8', read('status.css')),
    script: asset('/status.js', 'text/javascript; charset=utf-8', read('status.js')),
    icons: {
      good: iconOf('good'),
      warn: iconOf('warn'),
      bad: iconOf('bad'),
      quiet: iconOf('quiet'),
    },
    documents: { troubleshooting: document('troubleshooting'), doctor: document('doctor') },
  };
}

/** As in `web/status.css`, in a middle tone that shows on light and dark tabs. */
const ICON_COLOURS: Record<Tone, string> = {
  good: '#2e9e63',
  warn: '#c98a00',
  bad: '#d83a3a',
  quiet: '#7b858e',
};

const read = (name: string): string => readFileSync(new URL(`web/${name}`, PACKAGE_ROOT), 'utf8');

/** As plain text: that is what browsers show, and do not save. */
const document = (name: string): PageAsset =>
  asset(
    `/docs/${name}.md`,
    'text/plain; charset=utf-8',
    readFileSync(new URL(`docs/${name}.md`, PACKAGE_ROOT), 'utf8'),
  );

function asset(path: string, type: string, body: string): PageAsset {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 12);
  return { url: `${path}?${hash}`, path, type, body };
}
