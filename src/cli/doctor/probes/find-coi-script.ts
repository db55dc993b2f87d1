import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BeforeScript } from '../../../dovecot/settings/dovecot-settings.ts';
import { shippedFile } from '../../shipped-file.ts';

export interface CoiScript extends BeforeScript {
  /** Whether it is the one of this release; `unreadable` is for others to explain. */
  state: 'good' | 'other' | 'unreadable';
  /** The mailbox that it asks about first, which an administrator may name otherwise. */
  guess: string | undefined;
  /** Another script that is run before it and files chat: it may never be asked then. */
  rival: string | undefined;
}

/** Chat, as the specifications have it, or as we mark it. */
const ABOUT_CHAT = /chat-version|chat\$|\$chat|coi\/chats/i;
/** What ends the implicit keep: only a message that is kept goes on to the next script. */
const ENDS = /\b(?:stop|fileinto|discard|redirect|e?reject)\b/;

/** Whether a script decides where chat goes; what stands in comments and "require" is no decision. */
function filesChat(text: string): boolean {
  const lines = text.split('\n').map((line) => line.split('#')[0] ?? '');
  const actions = lines.filter((line) => !line.trimStart().startsWith('require')).join('\n');
  return ABOUT_CHAT.test(actions) && ENDS.test(actions);
}

const GUESS = /^ *set "chats" "(.*)";$/m;
const withoutGuess = (text: string): string => text.replace(GUESS, '');

/**
 * The "before" script that asks the service: coi.sieve by name, or one that calls its program. A
 * directory stands for the scripts in it.
 */
export async function findCoiScript(
  scripts: readonly BeforeScript[],
): Promise<CoiScript | undefined> {
  const shipped = await readFile(shippedFile('dovecot-conf/sieve/coi.sieve'), 'utf8');
  let rival: string | undefined;
  for (const script of (await Promise.all(scripts.map(filesOf))).flat()) {
    const text = await readFile(script.path, 'utf8').catch(() => undefined);
    const asks = text?.includes('"coi-classify"') === true;
    if (basename(script.path) !== 'coi.sieve' && !asks) {
      if (filesChat(text ?? '')) rival ??= script.path;
      continue;
    }
    if (text === undefined) return { ...script, state: 'unreadable', guess: undefined, rival };
    const isShipped = withoutGuess(text) === withoutGuess(shipped);
    return { ...script, state: isShipped ? 'good' : 'other', guess: GUESS.exec(text)?.[1], rival };
  }
  return undefined;
}

async function filesOf(script: BeforeScript): Promise<BeforeScript[]> {
  const found = await stat(script.path).catch(() => undefined);
  if (found?.isDirectory() !== true) return [script];
  const names = await readdir(script.path).catch(() => []);
  return names
    .filter((name) => name.endsWith('.sieve'))
    .sort()
    .map((name) => ({ ...script, path: join(script.path, name) }));
}
