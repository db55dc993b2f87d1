import { readSettings, type CoiSettings } from '../coi/settings.ts';
import { NotFoundError } from '../errors.ts';
import { OWN_SCOPE, type Usage } from '../stores/annotation-limits.ts';
import type { Store } from '../stores/store.ts';
import type { AbuseThrottle, ThrottledUser } from '../webpush/subscriptions/abuse-throttle.ts';
import type { FirstAttemptReport } from '../webpush/delivery/delivery.ts';
import { findSubscriptionId } from '../webpush/subscriptions/subscription-id.ts';
import type {
  KeptSubscription,
  SubscriptionRecord,
} from '../webpush/subscriptions/subscription-record.ts';
import type { Subscriptions } from '../webpush/subscriptions/subscriptions.ts';
import type { VapidKey } from '../webpush/vapid/vapid-key.ts';
import type { VapidKeys } from '../webpush/vapid/vapid-keys.ts';
import { smallestAfter } from './smallest-after.ts';

export interface UserAdministrationParts {
  store: Store;
  subscriptions: Subscriptions;
  vapidKeys: VapidKeys;
  throttle: AbuseThrottle;
  /** Shows clients what was changed behind their backs. */
  publish: (user: string) => Promise<void>;
  sendTest: (user: string, id: string, endpoint: string) => Promise<FirstAttemptReport>;
}

export interface UserSummary extends CoiSettings {
  user: string;
  validated: number;
  pending: number;
  throttled: ThrottledUser | undefined;
}

export interface UserState extends CoiSettings {
  user: string;
  subscriptions: HeldSubscription[];
  throttled: ThrottledUser | undefined;
  vapid: VapidKey | undefined;
  /** Entries that pass through: comments, other plugins' keys. */
  annotations: Usage;
}

/** One ID has two of them while a replacement waits for its validation. */
export interface HeldSubscription {
  id: string;
  state: 'validated' | 'pending';
  kept: KeptSubscription;
}

export interface TestedSubscription extends HeldSubscription {
  report: FirstAttemptReport;
}

/**
 * What an administrator sees of users and does for them. A user exists here who has left anything in
 * the store; all others are strangers.
 *
 * Every method that names a user throws NotFoundError for a stranger, and UnavailableError when the
 * store does not answer.
 */
export interface UserAdministration {
  /** A page of users in the order of their names, those after `after`. */
  list(after: string, limit: number): Promise<UserSummary[]>;
  inspect(user: string): Promise<UserState>;
  /** @throws NotFoundError also when there is no such subscription */
  removeSubscription(user: string, id: string): Promise<void>;
  /**
   * Sends a test push to one subscription, or to every validated one.
   *
   * @throws NotFoundError also when there is none
   */
  testPush(user: string, id?: string): Promise<TestedSubscription[]>;
  /**
   * Makes a new VAPID key. Subscriptions are tied to the key that they were made with, so all of the
   * user's are removed: clients notice, read the new key and subscribe again.
   */
  rotateVapid(user: string): Promise<{ key: VapidKey; removed: number }>;
}

export function createUserAdministration(parts: UserAdministrationParts): UserAdministration {
  const { store, subscriptions, vapidKeys, throttle, publish } = parts;

  const throttledUser = (user: string): ThrottledUser | undefined =>
    throttle.snapshot().find((one) => one.user === user);

  async function held(user: string): Promise<HeldSubscription[]> {
    return [...(await subscriptions.inspect(user))].flatMap(([id, record]) =>
      subscriptionsOf(id, record),
    );
  }

  /** A subscription that is removed while it waits counts against its user, who did not do it here. */
  function forgive(user: string, removed: readonly HeldSubscription[]): void {
    for (const { state } of removed) if (state === 'pending') throttle.forgive(user);
  }

  async function requireKnown(user: string): Promise<void> {
    for await (const page of store.pages(user, '', { keysOnly: true })) if (page.length > 0) return;
    throw new NotFoundError(
      `nothing is known of the user ${JSON.stringify(user)}: no annotation and no subscription`,
    );
  }

  return {
    list: async (after, limit) => {
      const names = await smallestAfter(store.users(), after, limit);
      const throttled = new Map(throttle.snapshot().map((one) => [one.user, one]));
      return Promise.all(
        names.map(async (user): Promise<UserSummary> => {
          const [settings, all] = await Promise.all([readSettings(store, user), held(user)]);
          const validated = all.filter(({ state }) => state === 'validated').length;
          const pending = all.length - validated;
          return { user, ...settings, validated, pending, throttled: throttled.get(user) };
        }),
      );
    },

    inspect: async (user) => {
      await requireKnown(user);
      const [settings, all, vapid, annotations] = await Promise.all([
        readSettings(store, user),
        held(user),
        vapidKeys.find(user),
        store.usage(user, OWN_SCOPE),
      ]);
      return {
        ...{ user, ...settings, subscriptions: all, throttled: throttledUser(user), vapid },
        annotations,
      };
    },

    removeSubscription: async (user, idText) => {
      await requireKnown(user);
      const id = findSubscriptionId(idText);
      const affected = (await held(user)).filter((one) => one.id === id);
      if (affected.length === 0) throw noSubscription(user, idText);
      await subscriptions.unsubscribe(user, idText);
      forgive(user, affected);
      await publish(user);
    },

    testPush: async (user, idText) => {
      await requireKnown(user);
      const id = idText === undefined ? undefined : findSubscriptionId(idText);
      const all = await held(user);
      const chosen = all.filter((one) =>
        idText === undefined ? one.state === 'validated' : one.id === id,
      );
      if (chosen.length === 0) throw noSubscription(user, idText);
      return Promise.all(
        chosen.map(async (one) => {
          const { endpoint } = one.kept.subscription.resource;
          return { ...one, report: await parts.sendTest(user, one.id, endpoint) };
        }),
      );
    },

    rotateVapid: async (user) => {
      await requireKnown(user);
      const key = await vapidKeys.rotate(user);
      const affected = await held(user);
      await subscriptions.removeAll(user);
      forgive(user, affected);
      await publish(user);
      return { key, removed: new Set(affected.map(({ id }) => id)).size };
    },
  };
}

function subscriptionsOf(id: string, { active, pending }: SubscriptionRecord): HeldSubscription[] {
  const all: HeldSubscription[] = [];
  if (active) all.push({ id, state: 'validated', kept: active });
  if (pending) all.push({ id, state: 'pending', kept: pending });
  return all;
}

const noSubscription = (user: string, id: string | undefined): NotFoundError =>
  new NotFoundError(
    id === undefined
      ? `${user} has no validated subscription`
      : `${user} has no subscription ${JSON.stringify(id)}`,
  );
