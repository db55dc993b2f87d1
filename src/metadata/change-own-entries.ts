import type { Folders } from '../coi/folders.ts';
import {
  COI_ENTRIES,
  COI_PREFIX,
  judgeCoiChange,
  readSettings,
  switchEnabled,
  type CoiTransition,
} from '../coi/settings.ts';
import { InvalidInputError, SidecarError } from '../errors.ts';
import type { Change, CommitResult, Store } from '../stores/store.ts';
import type { RecordChange } from '../webpush/subscriptions/restore-record.ts';
import type { CommitPlan } from '../webpush/subscriptions/subscription-ledger.ts';
import type { SubscriptionPlan } from '../webpush/subscriptions/subscription-plan.ts';
import { SUBSCRIPTION_PREFIX } from '../webpush/subscriptions/subscription-record.ts';
import { refusals } from '../webpush/subscriptions/subscription-refused-error.ts';
import type { FirstAttempt, Subscriptions } from '../webpush/subscriptions/subscriptions.ts';
import type { ValidationPush } from '../webpush/validation/validation-push.ts';

export interface ChangeOwnEntriesParts {
  store: Store;
  subscriptions: Subscriptions;
  folders: Folders;
  sendValidation: (push: ValidationPush) => Promise<FirstAttempt>;
  onTransition?: (state: CoiTransition) => void;
}

/** A client's changes to COI's and WebPush's entries, with others that belong to the same commit. */
export type ChangeOwnEntries = (
  user: string,
  own: readonly Change[],
  alongside: readonly Change[],
) => Promise<CommitResult>;

export const VALIDATE_SUFFIX = '/validate';

/** What one transaction asks for besides subscriptions. */
interface Rest {
  settings: readonly Change[];
  alongside: readonly Change[];
}

/** What was stored of a transaction before the push services were asked. */
interface Asked {
  pushes: readonly ValidationPush[];
  made: readonly RecordChange[];
}

/**
 * Judges, provisions, and stores all of a transaction or nothing:
 *
 * 1. every change is judged, and the first refused one refuses all;
 * 2. the folders that the new settings ask for are made (coi-server-spec: before the OK);
 * 3. all changes go into one store commit; but where there are validation pushes to send, those about
 *    subscriptions go into one, the pushes leave, and the others follow;
 * 4. where COI was switched on, Chats is looked for again: a DELETE that came after 2 and before 3 found
 *    nothing to switch off, and has its effect now;
 * 5. if a push was refused for good, or the others cannot be stored, the first commit is undone, but for
 *    what somebody else changed meanwhile. Folders stay.
 *
 * @throws InvalidInputError the client broke a rule, or a push service refused
 * @throws UnavailableError folders or store failed; nothing is left of it, unless the store failed again
 *   when the first commit was to be undone: then the subscription waits for a validation
 */
export function createChangeOwnEntries(parts: ChangeOwnEntriesParts): ChangeOwnEntries {
  const { store, subscriptions, folders } = parts;
  return async (user, own, alongside) => {
    const { result, asked, rest } = await subscriptions.transact(user, async (plan, commit) => {
      const settings = own.flatMap((change) => judge(change, plan));
      plan.changes(); // judges the limit before anything is made
      await provision(user, settings);
      const { pushes, made } = plan;
      const rest = { settings, alongside };
      return pushes.length === 0
        ? { result: await storeRest(user, rest, commit) }
        : { result: await commit(), asked: { pushes, made }, rest };
    });
    return asked === undefined ? result : finish(user, asked, rest);
  };

  async function finish(user: string, asked: Asked, rest: Rest): Promise<CommitResult> {
    let result: CommitResult | undefined;
    try {
      const attempts = await Promise.all(asked.pushes.map(parts.sendValidation));
      if (attempts.includes('refused')) throw refusals.pushRefused();
      result = await subscriptions.transact(user, (_plan, commit) => storeRest(user, rest, commit));
      return result;
    } finally {
      if (result !== 'committed') await subscriptions.takeBack(user, asked.made);
    }
  }

  async function storeRest(user: string, { settings, alongside }: Rest, commit: CommitPlan) {
    const transition = await transitionOf(user, settings);
    const stored = await commit([...settings, ...alongside]);
    if (stored === 'committed' && transition !== undefined) {
      parts.onTransition?.(transition);
      if (transition === 'enabled') await hearOfDelete(user);
    }
    return stored;
  }

  async function hearOfDelete(user: string): Promise<void> {
    try {
      if (await folders.hasChats(user)) return;
      await switchEnabled(store, user, false);
    } catch (error) {
      // All that was asked for is done: nobody is told, and who has overtaken us has said what is.
      if (error instanceof SidecarError) return;
      throw error;
    }
    parts.onTransition?.('disabled');
  }

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
    if (set.some(({ key }) => key === COI_ENTRIES.enabled)) {
      const { enabled } = await readSettings(store, user);
      await (enabled ? folders.ensureAll(user) : folders.provide(user));
    } else if (set.some(asksForChats)) await folders.ensure(user, [folders.names.chats]);
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
    // NIL is no validation text either: "the validate text is invalid … the server MUST respond with NO".
    plan.validate(id.slice(0, -VALIDATE_SUFFIX.length), value ?? Buffer.alloc(0));
  } else if (value === undefined) plan.remove(id);
  else plan.register(id, value);
  return [];
}

const asksForChats = (change: Change): boolean =>
  change.op === 'set' &&
  change.key === COI_ENTRIES.messageFilter &&
  change.value.toString() !== 'none';
