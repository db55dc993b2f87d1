import { InvalidInputError } from '../../errors.ts';

const ID = /^[0-9A-Za-z_-]{10,36}$/;

/**
 * A push registration ID as it is kept: 10 to 36 of `[0-9A-Za-z_-]`, in lower case (webpush-spec,
 * "Subscribe"; RFC 5464 section 4: entry names are case-insensitive, and Dovecot lower-cases them).
 * Two IDs that differ in case only are therefore one.
 *
 * @throws InvalidInputError
 */
export function parseSubscriptionId(text: string): string {
  if (!ID.test(text)) {
    throw new InvalidInputError(
      'the subscription ID must be 10 to 36 ASCII letters, digits, "-" or "_"',
    );
  }
  return text.toLowerCase();
}

/** The same for questions: undefined for what can never name a subscription. */
export const findSubscriptionId = (text: string): string | undefined =>
  ID.test(text) ? text.toLowerCase() : undefined;
