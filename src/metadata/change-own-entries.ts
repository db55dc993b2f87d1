import type { Folders } from '../coi/folders.ts';
import { COI_ENTRIES, COI_PREFIX, judgeCoiChange, readSettings } from '../coi/settings.ts';
import { InvalidInputError } from '../errors.ts';
import type { Change, CommitResult, Store } from '../stores/store.ts';
import type { SubscriptionPlan } from '../webpush/subscriptions/subscription-plan.ts';
import { SUBSCRIPTION_PREFIX } from '../webpush/subscriptions/subscription-record.ts';
import { SubscriptionRefusedError } from '../webpush/subscriptions/subscription-refused-error.ts';
import type { FirstAttempt, Subscriptions } from '../webpush/subscriptions/subscriptions.ts';
import type { ValidationPush } from '../webpush/validation/validation-push.ts';

export interface ChangeOwnEntriesParts {
  store: Store;
  subscriptions: Subscriptions;
  folders: Folders;
  sendValidation: (push: ValidationPush) => Promise<FirstAttempt>;
  onTransition?: (state: 'enabled' | 'disabled') => void;
}

/** A client's changes to COI's and WebPush's entries, with others that belong to the same commit. */
export type ChangeOwnEntries = (
  user: string,
  own: readonly Change[],
  alongside: readonly Change[],
) => Promise<CommitResult>;

const VALIDATE_SUFFIX = '/validate';

/**
 * Judges, provisions, stores, and only then pushes:
 *
 * 1. every change is judged, and the first refused one refuses all;
 * 2. the folders that the new settings ask for are made (coi-server-spec: before the OK);
 * 3. all changes go into one store commit;
 * 4. validation pushes leave, and those that are refused for good are taken back again. By then other
 *    changes of the same transaction stay, as they were good.
 *
 * @throws InvalidInputError the client broke a rule
 * @throws UnavailableError folders or store failed; nothing was stored
 */
export function createChangeOwnEntries(parts: ChangeOwnEntriesParts): ChangeOwnEntries {
  const { store, subscriptions, folders } = parts;
  return async (user, own, alongside) => {
    const { result, pushes } = await subscriptions.transact(user, async (plan, commit) => {
      const settings = own.flatMap((change) => judge(change, plan));
      const transition = await transitionOf(user, settings);
      plan.changes(); // judges the limit before anything is made
      await provision(user, settings);
      const stored = await commit([...settings, ...alongside]);
      if (stored === 'committed' && transition !== undefined) parts.onTransition?.(transition);
      return { result: stored, pushes: plan.pushes };
    });
    if (result === 'committed') await validate(pushes);
    return result;
  };

  /** Tells of COI being switched, once the switch is stored. */
  async function transitionOf(user: string, settings: readonly Change[]) {
    const last = settings.findLast(({ key }) => key === COI_ENTRIES.enabled);
    if (last === undefined) return undefined;
    const { enabled } = await readSettings(store, user);
    if (enabled === (last.op === 'set')) return undefined;
    return enabled ? 'disabled' : 'enabled';
  }

  async function provision(user: string, settings: readonly Change[]): Promise<void> {
    const set = settings.filter((change) => change.op === 'set');
    if (set.some(({ key }) => key === COI_ENTRIES.enabled)) await folders.ensureAll(user);
    else if (set.some(asksForChats)) await folders.ensure(user, [folders.names.chats]);
  }

  async function validate(pushes: readonly ValidationPush[]): Promise<void> {
    const attempts = await Promise.all(pushes.map(parts.sendValidation));
    const refused = pushes.filter((_push, index) => attempts[index] === 'refused');
    for (const push of refused) await subscriptions.takeBack(push);
    if (refused.length > 0) {
      throw new SubscriptionRefusedError(
        'push-refused',
        'the push service refused the validation push',
      );
    }
  }
}

/** @returns the store change for a setting; what is about subscriptions goes into the plan */
function judge(change: Change, plan: SubscriptionPlan): Change[] {
  const { key: entry } = change;
  if (change.op === 'increment') throw new InvalidInputError(`${entry} is not a number`);
  const value = change.op === 'set' ? change.value : undefined;
  if (entry.startsWith(COI_PREFIX)) return [judgeCoiChange(entry, value)];
  if (!entry.startsWith(SUBSCRIPTION_PREFIX)) {
    throw new InvalidInputError(`unable to set /private/vendor/vendor.dovecot/${entry}`);
  }
  const id = entry.slice(SUBSCRIPTION_PREFIX.length);
  if (id.endsWith(VALIDATE_SUFFIX)) {
    // NIL has nothing to remove: the validation text is never kept as an annotation.
    if (value !== undefined) plan.validate(id.slice(0, -VALIDATE_SUFFIX.length), value);
  } else if (value === undefined) plan.remove(id);
  else plan.register(id, value);
  return [];
}

const asksForChats = (change: Change): boolean =>
  change.op === 'set' &&
  change.key === COI_ENTRIES.messageFilter &&
  change.value.toString() !== 'none';
