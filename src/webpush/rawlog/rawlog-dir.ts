import { access, constants, stat } from 'node:fs/promises';
import { InvalidInputError } from '../../errors.ts';

/** Longer names do not fit a file system's 255 octets. */
const MAX_NAME = 200;

/**
 * `webpush.rawlog_dir` for one user. `%u` becomes a single path segment whatever the user is called:
 * all but letters, digits and `@ . _ + = -` is percent-encoded, and so is a dot at the beginning.
 */
export const expandRawlogDir = (template: string, user: string): string =>
  template.replaceAll('%u', () => encodeSegment(user));

function encodeSegment(user: string): string {
  const encoded = [...Buffer.from(user)]
    .map((octet, index) => {
      const character = String.fromCharCode(octet);
      const plain = /[A-Za-z0-9@._+=-]/.test(character) && !(character === '.' && index === 0);
      return plain ? character : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
  return encoded === '' ? '%' : encoded.slice(0, MAX_NAME);
}

/**
 * Refuses at start what could not be written to later: without `%u` the directory must exist and be
 * writable, with it the part before it must exist. A user without a directory of his own has no rawlog,
 * as in Dovecot: making the directory turns it on.
 *
 * @throws InvalidInputError naming the directory and what is wrong with it
 */
export async function checkRawlogDir(template: string): Promise<void> {
  if (template === '') return;
  const variable = /%(?!u)./.exec(template)?.[0];
  if (variable !== undefined) {
    throw new InvalidInputError(`webpush.rawlog_dir knows %u only, not "${variable}"`);
  }
  const perUser = template.includes('%u');
  const dir = perUser
    ? template.slice(0, template.lastIndexOf('/', template.indexOf('%u')))
    : template;
  const refuse = (why: string): never => {
    throw new InvalidInputError(`webpush.rawlog_dir: ${dir === '' ? '/' : dir} ${why}`);
  };
  const found = await stat(dir === '' ? '/' : dir).catch(() => refuse('does not exist'));
  if (!found.isDirectory()) refuse('is not a directory');
  const mode = perUser ? constants.X_OK : constants.W_OK | constants.X_OK;
  await access(dir === '' ? '/' : dir, mode).catch(() => refuse('is not writable by this service'));
}
