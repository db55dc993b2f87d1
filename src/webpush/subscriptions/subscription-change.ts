/**
 * What became of a subscription:
 * - `registered`: stored, and waits for its validation
 * - `validated`: in use from now on
 * - `removed`: one in use was taken away, by the client, the push service or an admin
 * - `expired`: never validated in time
 * - `unsent`: the same, but its push service never took the validation push
 * - `abandoned`: taken away or replaced before it was validated
 * - `refused`: taken back, because its validation push was refused, or the command that it came with
 *
 * `expired` and `abandoned` are failed validations of which no request was refused: whoever throttles
 * has to count them, or registering and removing in turns would send pushes without end. `unsent` is
 * the push service's failure, and there can be no more of them at a time than subscriptions.
 */
export const SUBSCRIPTION_CHANGES = [
  ...(['registered', 'validated', 'removed', 'expired', 'unsent', 'abandoned', 'refused'] as const),
] as const;
export type SubscriptionChange = (typeof SUBSCRIPTION_CHANGES)[number];
