import type { Static } from '@fastify/type-provider-typebox';
import type {
  HeldSubscription,
  TestedSubscription,
  UserState,
  UserSummary,
} from '../../../metadata/user-administration.ts';
import type { ThrottledUser } from '../../../webpush/subscriptions/abuse-throttle.ts';
import type { ListedPush } from '../../../webpush/delivery/delivery.ts';
import { originOf } from '../../../webpush/delivery/origin-of.ts';
import type { VapidKey } from '../../../webpush/vapid/vapid-key.ts';
import type {
  PushView,
  SubscriptionView,
  TestView,
  ThrottleView,
  UserSummaryView,
  UserView,
  VapidView,
} from './schemas.ts';

/** Milliseconds since the epoch → RFC 3339. */
const time = (msecs: number): string => new Date(msecs).toISOString();

export const viewThrottle = ({
  refusals,
  state,
  until,
}: ThrottledUser): Static<typeof ThrottleView> => ({ refusals, state, until: time(until) });

export const viewVapid = ({ curve, publicPem }: VapidKey): Static<typeof VapidView> => ({
  curve,
  publicKey: publicPem,
});

function viewSubscription({ id, state, kept }: HeldSubscription): Static<typeof SubscriptionView> {
  const { msgtype, client, device, created, resource } = kept.subscription;
  const { lastAt, ...deliveries } = kept.history;
  return {
    ...{ id, state, msgtype, created },
    ...(client !== undefined && { client }),
    ...(device !== undefined && { device }),
    ...(state === 'pending' && { expires: time(kept.expiresAt) }),
    origin: originOf(resource.endpoint),
    deliveries: { ...deliveries, ...(lastAt !== undefined && { lastAt: time(lastAt) }) },
  };
}

export const viewSummary = (summary: UserSummary): Static<typeof UserSummaryView> => ({
  user: summary.user,
  enabled: summary.enabled,
  messageFilter: summary.messageFilter,
  subscriptions: summary.validated,
  pending: summary.pending,
  ...(summary.throttled && { throttled: viewThrottle(summary.throttled) }),
});

export const viewUser = (state: UserState): Static<typeof UserView> => ({
  user: state.user,
  enabled: state.enabled,
  messageFilter: state.messageFilter,
  subscriptions: state.subscriptions.map(viewSubscription),
  ...(state.vapid && { vapid: viewVapid(state.vapid) }),
  ...(state.throttled && { throttled: viewThrottle(state.throttled) }),
  annotations: state.annotations,
});

export const viewTest = ({
  id,
  state,
  kept,
  report: { pausedUntil, ...report },
}: TestedSubscription): Static<typeof TestView> => ({
  ...{ id, state, origin: originOf(kept.subscription.resource.endpoint) },
  ...report,
  ...(pausedUntil !== undefined && { pausedUntil: time(pausedUntil) }),
});

export const viewPush = (push: ListedPush): Static<typeof PushView> => ({
  id: push.id,
  user: push.user,
  subscription: push.subscriptionId,
  kind: push.kind,
  origin: push.origin,
  urgency: push.urgency,
  created: time(push.createdAt),
  expires: time(push.expiresAt),
  attempts: push.attempts,
  ...(push.nextAttemptAt > 0 && { nextAttempt: time(push.nextAttemptAt) }),
  octets: push.payloadOctets,
});
