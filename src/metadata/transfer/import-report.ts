import type { Adoption } from '../../webpush/subscriptions/adopt-subscription.ts';
import type { SkippedEntry } from './sort-annotations.ts';

/** How many entries of a kind met which fate; `kept`: here is another value, and it stays. */
export type Tally = Record<Adoption, number>;

/** What an import did to one user, or would do. */
export interface ImportReport {
  user: string;
  dryRun: boolean;
  /** Entries that are none of our business. */
  annotations: Tally;
  /** COI's. */
  settings: Tally;
  subscriptions: Tally;
  vapid: Adoption | 'none';
  /** How many entries were left out. */
  skipped: number;
  /** The first of them, and why. */
  skippedEntries: SkippedEntry[];
  warnings: string[];
}

/** More are counted, but not named. */
const MAX_NAMED = 100;

export const emptyTally = (): Tally => ({ added: 0, changed: 0, unchanged: 0, kept: 0 });

export const emptyReport = (user: string, dryRun: boolean): ImportReport => ({
  ...{ user, dryRun },
  annotations: emptyTally(),
  settings: emptyTally(),
  subscriptions: emptyTally(),
  vapid: 'none',
  skipped: 0,
  skippedEntries: [],
  warnings: [],
});

export function skip(report: ImportReport, key: string, reason: string): void {
  report.skipped += 1;
  if (report.skippedEntries.length < MAX_NAMED) report.skippedEntries.push({ key, reason });
}
