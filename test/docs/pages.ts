import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Page {
  /** Relative to the top of the repository. */
  path: string;
  /** Targets of links, anchors included. */
  links: string[];
  /** What GitHub makes of its headings: what links may point to. */
  anchors: string[];
  /** Code in the text, without its backticks. */
  spans: string[];
  blocks: { language: string; text: string }[];
}

/** As GitHub makes an anchor of a heading. */
const slug = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

/** Every page that people read. */
export const pages: readonly Page[] = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...globSync('docs/**/*.md', { cwd: ROOT }).sort(),
].map(readPage);

export function page(path: string): Page {
  const found = pages.find((one) => one.path === path);
  if (found === undefined) throw new Error(`there is no page ${path}`);
  return found;
}

function readPage(path: string): Page {
  const text = readFileSync(new URL(path, `file://${ROOT}`), 'utf8');
  const blocks: Page['blocks'] = [];
  const prose = text.replaceAll(
    /^( *)```(\w*)\n([^]*?)^ *```$/gm,
    (_match, indent: string, language: string, block: string) => {
      blocks.push({ language, text: block.replaceAll(new RegExp(`^${indent}`, 'gm'), '') });
      return '';
    },
  );
  const spans = [...prose.matchAll(/(`+)(.+?)\1/g)].map(([, , code = '']) => code.trim());
  const bare = prose.replaceAll(/(`+)(.+?)\1/g, '$2');
  return {
    path,
    blocks,
    spans,
    links: [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target),
    anchors: [...bare.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slug(title)),
  };
}
