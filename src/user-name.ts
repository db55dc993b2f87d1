import { InvalidInputError } from './errors.ts';

/** Characters of a user's name; longer than any that mail software knows. */
export const MAX_USER_NAME = 1_024;

/** Nearly all names: ASCII that is seen, but for `*` and `?`. Every request has one. */
const PLAIN_NAME = /^[!-)+->@-~]+$/;
/** What stands in no name of one user. */
const NOT_IN_NAMES = /[*?\p{Cc}]/u;
/** What is seen of a name; the first character of nearly every one. */
const VISIBLE = /[^\s\p{Default_Ignorable_Code_Point}]/u;

/**
 * What keeps a text from being the name of one user of Dovecot; undefined when nothing does.
 *
 * To doveadm a name with `*` or `?` is a mask, and the command is carried out for every user that it
 * matches (Dovecot src/doveadm/doveadm-mail.c, doveadm_cmdv2_wrapper_parse_common_options, which
 * knows no escaping); an empty one leaves the choice to doveadm. Control characters end lines and
 * strings in the protocols of Dovecot. A name that nobody sees could not be told from none. What is not
 * well-formed could not be sent to it unchanged.
 *
 * Every door asks this, and whatever calls doveadm once more.
 */
export function problemOfUserName(user: string): string | undefined {
  if (user === '') return 'is empty';
  if (user.length > MAX_USER_NAME) return `is longer than ${MAX_USER_NAME} characters`;
  if (PLAIN_NAME.test(user)) return undefined;
  if (!user.isWellFormed()) return 'is not UTF-8';
  const found = NOT_IN_NAMES.exec(user)?.[0];
  if (found === undefined) return VISIBLE.test(user) ? undefined : 'has no visible character';
  return found === '*' || found === '?'
    ? `contains "${found}", by which doveadm would take it for a mask of many users`
    : 'contains a control character';
}

/**
 * The same name.
 *
 * @throws InvalidInputError it cannot be the name of one user
 */
export function checkUserName(user: string): string {
  const problem = problemOfUserName(user);
  if (problem !== undefined) throw new InvalidInputError(`the user's name ${problem}`);
  return user;
}
