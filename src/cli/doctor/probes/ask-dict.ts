import { randomUUID } from 'node:crypto';
import { UnavailableError } from '../../../errors.ts';
import { talk } from './talk.ts';

/** Nobody's name: nothing of a real user is touched. */
const USER = 'coi-sidecar-doctor';
/** Not ours by name, so that it passes through as other plugins' entries do. */
const KEY = `priv/${'0'.repeat(32)}/coi-sidecar-doctor`;

/**
 * Keeps an annotation, reads it, and takes it away again, in the words of Dovecot's dict client.
 *
 * @throws Error with the system's code when there is no connection
 * @throws UnavailableError what came back is not what was kept
 * @see Dovecot src/lib-dict/dict-client.c
 */
export async function askDict(path: string): Promise<void> {
  const value = randomUUID();
  const begin = `B1\t${USER}`;
  const lookUp = [`L${KEY}\t${USER}`];
  const dialogue: [said: string[], expected: RegExp][] = [
    [[begin, `S1\t${KEY}\t${value}`, 'C1'], /^O1\b/],
    [lookUp, new RegExp(`^O${value}\\b`)],
    [[begin, `U1\t${KEY}`, 'C1'], /^O1\b/],
    [lookUp, /^N\b/],
  ];
  // One after the other, as a mail process asks; replies to several at a time have another form.
  for (const [said, expected] of dialogue) {
    const text = `${['H3\t2\t0\t\tcoi', ...said].join('\n')}\n`;
    const answer = await talk(path, text, { isWhole: (all) => all.includes('\n'), end: false });
    if (!expected.test(answer)) throw new UnavailableError('it does not answer as a dict does');
  }
}
