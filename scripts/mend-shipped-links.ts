/**
 * Run by build-deb.sh over the package's documentation: a link to what the package has elsewhere leads
 * there, and one to what it does not have (tests, the checkout's scripts) is its text alone.
 *
 *   node scripts/mend-shipped-links.ts /usr/share/doc/coi-sidecar
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Of the checkout, as they stand in the package beside or above its documentation. */
const ELSEWHERE = new Map([
  ['config.example.yaml', '../../coi-sidecar/config.example.yaml'],
  ['dovecot-conf', 'examples/dovecot-conf'],
  ['lua', 'examples/lua'],
]);
/** `[text](target)`: no web address, and no place on the same page. */
const LINK = /\[((?:[^[\]\\]|\\.|\[[^\]]*\])*)\]\((?![a-z]+:|#)([^()\s]+)\)/g;

export function mendLinks(text: string, file: string, doc: string): string {
  return text.replace(LINK, (link, words: string, target: string) => {
    const [path = '', place] = target.split(/(?=#)/);
    const named = join(dirname(file), path);
    const [first = '', ...rest] = relative(doc, named).split('/');
    const moved = ELSEWHERE.get(first);
    const shipped = moved === undefined ? named : join(doc, moved, ...rest);
    if (moved === undefined && !existsSync(named)) return words;
    return moved === undefined
      ? link
      : `[${words}](${relative(dirname(file), shipped)}${place ?? ''})`;
  });
}

if (import.meta.main) {
  const doc = process.argv[2] ?? '.';
  for (const name of globSync('**/*.md', { cwd: doc })) {
    const file = join(doc, name);
    writeFileSync(file, mendLinks(readFileSync(file, 'utf8'), file, doc));
  }
}
