import { InvalidInputError } from '../errors.ts';

const VARIABLE = /%(?:%|(L?)([undh])|\{([^{}]*)\})|%.?/g;

/** Both syntaxes: of 2.3 (`%u`, `%{user}`) and of 2.4 (`%{user | domain}`). */
const LONG_NAMES: Readonly<Record<string, string>> = {
  user: 'u',
  username: 'n',
  'user|username': 'n',
  domain: 'd',
  'user|domain': 'd',
  home: 'h',
};

/**
 * A path as Dovecot's settings write it, for one user: `%u` whole name, `%n` and `%d` its parts before
 * and behind the `@`, `%h` the home, a leading `~/` the same, `%%` a percent sign, `%Lu` lower case.
 *
 * @param findHome asked only if the template needs it
 * @throws InvalidInputError another variable, or a user name that would lead out of the directory
 */
export async function expandPathTemplate(
  template: string,
  user: string,
  findHome: (user: string) => Promise<string>,
): Promise<string> {
  if (user.includes('\0') || user.split('/').some((part) => part === '..' || part === '.')) {
    throw new InvalidInputError(`the user name ${JSON.stringify(user)} cannot stand in a path`);
  }
  const tilde = template.startsWith('~/');
  const whole = tilde ? `%h${template.slice(1)}` : template;
  const letters = [...whole.matchAll(VARIABLE)].map((match) => letterOf(match));
  const home = letters.includes('h') ? await findHome(user) : '';
  const at = user.indexOf('@');
  const values: Record<string, string> = {
    '%': '%',
    u: user,
    n: at < 0 ? user : user.slice(0, at),
    d: at < 0 ? '' : user.slice(at + 1),
    h: home,
  };
  let index = 0;
  return whole.replaceAll(VARIABLE, (_match, lower: string | undefined) => {
    const value = values[letters[index++] ?? ''] ?? '';
    return lower === 'L' ? value.toLowerCase() : value;
  });
}

function letterOf([text, , short, long]: RegExpExecArray): string {
  if (text === '%%') return '%';
  const letter = short ?? LONG_NAMES[long?.replaceAll(/\s/g, '') ?? ''];
  if (letter !== undefined) return letter;
  throw new InvalidInputError(
    `unknown variable "${text}" in the path: it may hold %u, %n, %d, %h and %%`,
  );
}
