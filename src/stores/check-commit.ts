import { InvalidInputError } from '../errors.ts';
import { MAX_KEY_OCTETS, type Change, type Expectation } from './store.ts';

/**
 * The rules that every kind of store holds a commit to, before it touches anything.
 *
 * @throws InvalidInputError a name is not Unicode text or too long, or `by` is not a whole number
 */
export function checkCommit(user: string, changes: readonly (Change | Expectation)[]): void {
  checkText('user', user);
  for (const change of changes) {
    checkText('key', change.key);
    if (change.op === 'increment' && !Number.isSafeInteger(change.by))
      throw new InvalidInputError(
        `An increment of ${change.by} is not a whole number between -2^53 and 2^53.`,
      );
  }
}

/** A lone surrogate would be stored as U+FFFD: two different keys would become one. */
function checkText(what: string, text: string): void {
  if (!text.isWellFormed()) throw new InvalidInputError(`The ${what} is not valid Unicode text.`);
  if (text.length * 3 > MAX_KEY_OCTETS && Buffer.byteLength(text) > MAX_KEY_OCTETS)
    throw new InvalidInputError(`The ${what} is longer than ${MAX_KEY_OCTETS} octets.`);
}
