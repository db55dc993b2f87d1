import { COI_PREFIX } from '../../coi/settings.ts';
import type { DictEntry } from '../../dovecot/file-dict.ts';
import { MAX_KEY_OCTETS } from '../../stores/store.ts';
import { SUBSCRIPTION_PREFIX } from '../../webpush/subscriptions/subscription-record.ts';
import { ownEntry } from '../own-entry.ts';
import { isPluginVapid, pluginEntry } from './plugin-entry.ts';

/** An entry of ours in a foreign dict: its key there, and its name here. */
export interface NamedEntry {
  key: string;
  name: string;
  value: Buffer;
}

/** The entries of one user's dict, by what they are to us. */
export interface SortedAnnotations {
  /** None of our business; kept as they are. */
  foreign: DictEntry[];
  /** The same, of mailboxes that others may read too. */
  shared: DictEntry[];
  /** COI's, by their names here. */
  settings: NamedEntry[];
  /** Subscriptions, named by their IDs: as clients see them, and as the C plugin keeps them. */
  subscriptions: NamedEntry[];
  /** The C plugin's VAPID private key. */
  vapid: NamedEntry | undefined;
  skipped: SkippedEntry[];
}

export interface SkippedEntry {
  key: string;
  /** Why; never contains the value. */
  reason: string;
}

/** GUIDs of the INBOXes that entries of ours belong to; more than one when INBOX was made anew. */
export function inboxGuids(entries: readonly DictEntry[]): Set<string> {
  const ours = entries.filter(({ key }) => isOurs(key));
  return new Set(ours.map(({ key }) => guidOf(key)));
}

/**
 * Sorts a dict's entries.
 *
 * @param inbox the GUID whose entries of ours count; undefined when there is but one
 */
export function sortAnnotations(
  entries: readonly DictEntry[],
  inbox: string | undefined,
): SortedAnnotations {
  const sorted: SortedAnnotations = {
    ...{ foreign: [], shared: [], settings: [], subscriptions: [], skipped: [] },
    vapid: undefined,
  };
  // What the plugin keeps comes first: of a subscription that is there in both forms, it is the truth.
  const rank = ({ key }: DictEntry): number => (pluginEntry(key) === undefined ? 1 : 0);
  for (const entry of [...entries].sort((a, b) => rank(a) - rank(b))) {
    const { key } = entry;
    if (Buffer.byteLength(key) > MAX_KEY_OCTETS) {
      const reason = `it is longer than ${MAX_KEY_OCTETS} octets: Dovecot could not ask for it`;
      sorted.skipped.push({ key: `${key.slice(0, 100)}…`, reason });
    } else if (isOurs(key) && inbox !== undefined && guidOf(key) !== inbox) {
      sorted.skipped.push({ key, reason: 'it belongs to an INBOX that is gone' });
    } else if (isOurs(key)) sortOurs(sorted, entry);
    else if (key.startsWith('priv/')) sorted.foreign.push(entry);
    else if (key.startsWith('shared/')) sorted.shared.push(entry);
    else sorted.skipped.push({ key, reason: 'it is no annotation: neither priv/ nor shared/' });
  }
  return sorted;
}

function sortOurs(sorted: SortedAnnotations, { key, value }: DictEntry): void {
  const plugin = pluginEntry(key);
  const name = plugin ?? ownEntry(key)?.replace(/^webpush\//, '') ?? '';
  if (plugin !== undefined && isPluginVapid(plugin)) sorted.vapid = { key, name, value };
  else if (name.startsWith(COI_PREFIX)) sorted.settings.push({ key, name, value });
  else if (name.startsWith(SUBSCRIPTIONS)) {
    const id = name.slice(SUBSCRIPTIONS.length);
    if (sorted.subscriptions.some((known) => known.name === id)) return;
    sorted.subscriptions.push({ key, name: id, value });
  } else if (name !== 'vapid') {
    sorted.skipped.push({ key, reason: 'there is no such WebPush entry' });
  } // else: the public key, which is made out of the private one
}

const SUBSCRIPTIONS = SUBSCRIPTION_PREFIX.replace(/^webpush\//, '');

const isOurs = (key: string): boolean =>
  pluginEntry(key) !== undefined || ownEntry(key) !== undefined;

/** `priv/<32 hexadecimal digits>/…` */
const guidOf = (key: string): string => key.slice('priv/'.length, 'priv/'.length + 32);
