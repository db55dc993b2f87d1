import { InvalidInputError } from '../../errors.ts';

export type RefusalReason =
  /** The user has as many subscriptions as are allowed. */
  | 'limit'
  /** Too many validation pushes were never validated. */
  | 'attempts'
  /** No subscription with that ID waits for, or had, a validation. */
  | 'unknown'
  /** The validation text is not the one that was sent. */
  | 'wrong'
  /** The right validation text, but too late. */
  | 'late'
  /** The push service, or the guard before it, would not have the validation push. */
  | 'push-refused';

/** A well-formed request that the rules of subscriptions answer with NO. */
export class SubscriptionRefusedError extends InvalidInputError {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Each refusal with the words that reach the client's administrator in Dovecot's log. */
export const refusals = {
  limit: (limit: number) =>
    new SubscriptionRefusedError(
      'limit',
      `the user already has ${limit} subscriptions; remove one first`,
    ),
  attempts: () =>
    new SubscriptionRefusedError(
      'attempts',
      'too many validation pushes were not validated lately; try again later',
    ),
  unknown: () =>
    new SubscriptionRefusedError('unknown', 'no subscription with this ID waits for a validation'),
  wrong: () => new SubscriptionRefusedError('wrong', 'invalid validation'),
  late: () => new SubscriptionRefusedError('late', 'the validation came too late; subscribe again'),
  pushRefused: () =>
    new SubscriptionRefusedError('push-refused', 'the push service refused the validation push'),
};
