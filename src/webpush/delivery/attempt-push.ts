import { InvalidInputError } from '../../errors.ts';
import type { AttemptResult } from '../client/attempt-result.ts';
import type { PushClient } from '../client/push-client.ts';
import type { PushEncryptor } from '../encryption/push-encryptor.ts';
import { MAX_BODY_OCTETS } from '../encryption/record-limits.ts';
import type { GuardPolicy } from '../guard/guard-policy.ts';
import { judgeEndpoint } from '../guard/judge-endpoint.ts';
import type { Outcome } from '../outcome/outcome.ts';
import { chooseForm, nextForm } from '../payload/choose-form.ts';
import { buildPushRequest } from '../request/build-push-request.ts';
import { findTopic, topicOfRepeats } from '../request/find-topic.ts';
import type { SubscriptionBook } from '../subscriptions/subscription-book.ts';
import type { VapidAuthorizer } from '../vapid/vapid-authorizer.ts';
import type { VapidKey } from '../vapid/vapid-key.ts';
import type { QueuedPush } from './lane.ts';
import type { PayloadShelf } from './payload-shelf.ts';
import type { SizeLimits } from './size-limits.ts';

export interface AttemptParts {
  client: PushClient;
  subscriptions: SubscriptionBook;
  shelf: PayloadShelf;
  limits: SizeLimits;
  vapid: (user: string) => Promise<VapidKey>;
  authorizer: VapidAuthorizer;
  encryptor: PushEncryptor;
  policy: GuardPolicy;
  padding: boolean;
  /** Monotonic milliseconds. */
  monotonic: () => number;
}

export type Attempt =
  /** The subscription, or the push itself, is there no more. */
  | { kind: 'gone' }
  /** Nothing was sent, nor will another attempt fare better. */
  | { kind: 'unsendable'; outcome: Outcome; detail: string }
  | { kind: 'sent'; result: AttemptResult; canShrink: boolean; seconds: number };

/**
 * One attempt at one push, from its payload to the push service's answer.
 *
 * @throws UnavailableError the store or the user's VAPID key cannot be read, or the encryptor failed;
 *   nothing was sent
 */
export async function attemptPush(push: QueuedPush, parts: AttemptParts): Promise<Attempt> {
  const { user, subscriptionId, endpoint } = push.lane;
  const started = parts.monotonic();
  const [shelved, resource] = await Promise.all([
    parts.shelf.get(push.id),
    parts.subscriptions.resource(user, subscriptionId, endpoint, push.kind),
  ]);
  if (shelved === undefined || resource === undefined) return { kind: 'gone' };
  // Not before: asking makes a key, and a user who was forgotten is to have none.
  const key = await parts.vapid(user);

  const verdict = judgeEndpoint(endpoint, parts.policy);
  if (!verdict.allowed) {
    const result = { kind: 'failed', reason: 'guard', detail: verdict.reason } as const;
    return { kind: 'sent', result, canShrink: false, seconds: 0 };
  }
  const { url, target } = verdict;
  const form = chooseForm(shelved.payload, parts.padding, parts.limits.refusedBy(endpoint));
  if (form.octets > MAX_BODY_OCTETS) {
    return unsendable({ action: 'give-up', reason: 'too-large' }, 'the payload does not fit');
  }
  let body: Buffer;
  try {
    body = await parts.encryptor.encrypt(form.payload, resource.keys, form.padding);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return unsendable({ action: 'remove-subscription', reason: 'bad-key' }, error.message);
  }
  const { auth } = resource.keys;
  const own = findTopic(form.payload, auth);
  const topic = own ?? (push.unanswered > 0 ? topicOfRepeats(push, auth) : undefined);
  // The client's time to validate begins when the push service takes this, however late that is.
  const isValidation = push.kind === 'validation';
  const request = buildPushRequest({
    ...{ url, target, body },
    authorization: parts.authorizer.authorize(key, url.origin),
    ttlSeconds: (isValidation ? push.lifeMsecs : push.expiresAt - parts.monotonic()) / 1_000,
    urgency: shelved.urgency,
    validation: isValidation,
    ...(topic !== undefined && { topic }),
  });
  const result = await parts.client.send(request, user);
  let canShrink = false;
  if (result.kind === 'response') {
    if (result.status === 413) {
      parts.limits.learn(endpoint, form.octets);
      canShrink = nextForm(form) !== undefined;
    }
    if (result.status === 401 || result.status === 403) parts.authorizer.forget(key, url.origin);
  }
  const seconds = (parts.monotonic() - started) / 1_000;
  return { kind: 'sent', result, canShrink, seconds };
}

const unsendable = (outcome: Outcome, detail: string): Attempt => ({
  kind: 'unsendable',
  outcome,
  detail,
});
