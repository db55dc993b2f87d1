import { InvalidInputError } from '../errors.ts';
import type { Change, Store } from '../stores/store.ts';

export const MESSAGE_FILTERS = ['none', 'active', 'seen'] as const;

/** What happens to a user's chat messages (coi-server-spec, "Configure Message Filtering"). */
export type MessageFilter = (typeof MESSAGE_FILTERS)[number];

export interface CoiSettings {
  enabled: boolean;
  messageFilter: MessageFilter;
}

/**
 * The entries of COI as the store names them; over IMAP `/private/vendor/vendor.dovecot/` precedes.
 * Lists show them in this order, which is that of the specification's example.
 */
export const COI_ENTRIES = {
  enabled: 'coi/config/enabled',
  mailboxRoot: 'coi/config/mailbox-root',
  messageFilter: 'coi/config/message-filter',
} as const;

/** All entries of COI begin with this; nothing else does. */
export const COI_PREFIX = 'coi/';

const ENABLED = 'yes';

/**
 * Reads one user's settings. Any stored value that the specification does not know counts as if it
 * were absent: COI disabled, filter `none`.
 */
export async function readSettings(store: Store, user: string): Promise<CoiSettings> {
  const [enabled, filter] = await Promise.all([
    store.get(user, COI_ENTRIES.enabled),
    store.get(user, COI_ENTRIES.messageFilter),
  ]);
  return settingsFrom(enabled, filter);
}

/** As {@link readSettings}, from the two values. */
export function settingsFrom(enabled: Buffer | undefined, filter: Buffer | undefined): CoiSettings {
  const named = filter?.toString('utf8');
  return {
    enabled: enabled?.toString('utf8') === ENABLED,
    messageFilter: MESSAGE_FILTERS.find((known) => known === named) ?? 'none',
  };
}

/** The store change that turns COI on or off. */
export const enabledChange = (enabled: boolean): Change =>
  enabled
    ? { op: 'set', key: COI_ENTRIES.enabled, value: Buffer.from(ENABLED) }
    : { op: 'unset', key: COI_ENTRIES.enabled };

/**
 * Turns COI on or off without a client's asking for it.
 *
 * @throws OvertakenError somebody else has changed it since it was looked at
 * @throws UnavailableError the store does not take it
 */
export async function switchEnabled(store: Store, user: string, enabled: boolean): Promise<void> {
  const before = enabledChange(!enabled);
  const value = before.op === 'set' ? before.value : undefined;
  await store.commit(user, [{ op: 'expect', key: before.key, value }, enabledChange(enabled)]);
}

/**
 * Judges a client's change to an entry under {@link COI_PREFIX}; `value` is undefined for NIL.
 *
 * @returns the change to store
 * @throws InvalidInputError in the words of the specification's examples
 */
export function judgeCoiChange(entry: string, value: Buffer | undefined): Change {
  const path = `/private/vendor/vendor.dovecot/${entry}`;
  switch (entry) {
    case COI_ENTRIES.enabled:
      return judgeValue(entry, path, value, [ENABLED]);
    case COI_ENTRIES.messageFilter:
      return judgeValue(entry, path, value, MESSAGE_FILTERS);
    case COI_ENTRIES.mailboxRoot:
      throw new InvalidInputError(`unable to set ${path}: the server alone decides it`);
    default:
      throw new InvalidInputError(`unable to set ${path}: there is no such COI entry`);
  }
}

function judgeValue(
  key: string,
  path: string,
  value: Buffer | undefined,
  allowed: readonly string[],
): Change {
  if (value === undefined) return { op: 'unset', key };
  const text = value.toString('utf8');
  if (allowed.includes(text)) return { op: 'set', key, value };
  throw new InvalidInputError(
    `invalid value for ${path}: "${abbreviate(text)}"; allowed: ${allowed.join(', ')} or NIL`,
  );
}

/** A value as it may stand in a log line. */
const abbreviate = (text: string): string =>
  (text.length > 40 ? `${text.slice(0, 40)}…` : text).replace(/\p{Cc}/gu, '?');

/** What COI is from then on. */
export const COI_TRANSITIONS = ['enabled', 'disabled'] as const;
export type CoiTransition = (typeof COI_TRANSITIONS)[number];
