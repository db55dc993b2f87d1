import type { KeptSubscription, SubscriptionRecord } from './subscription-record.ts';

/** What one transaction made of what is kept under an ID. */
export interface RecordChange {
  id: string;
  before: SubscriptionRecord;
  after: SubscriptionRecord;
}

/** Either part may be there or not. */
export type LooseRecord = {
  [Part in keyof SubscriptionRecord]: KeptSubscription | undefined;
};

/**
 * What stands under an ID once a transaction's change is undone: of each part, what was there before if
 * the transaction changed it and nobody did since. What was noted of a part's pushes is no change.
 */
export function restoreRecord(
  current: SubscriptionRecord,
  { before, after }: RecordChange,
): LooseRecord {
  const restore = (part: keyof SubscriptionRecord): KeptSubscription | undefined =>
    isSame(before[part], after[part]) || !isSame(current[part], after[part])
      ? current[part]
      : before[part];
  return { active: restore('active'), pending: restore('pending') };
}

/** Each registration has a token of its own, which it keeps when it is validated. */
const isSame = (one?: KeptSubscription, other?: KeptSubscription): boolean =>
  one?.tokenHash === other?.tokenHash;
