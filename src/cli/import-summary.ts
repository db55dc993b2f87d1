import { emptyTally, type ImportReport, type Tally } from '../metadata/transfer/import-report.ts';
import type { UserFailure } from './for-each-user.ts';
import { formatTable, printable } from './format-table.ts';

/** What people have patience for; `--json` has the rest. */
const MAX_LINES = 50;

/** The reports of many users, added up. */
export class ImportSummary {
  readonly #dryRun: boolean;
  readonly #totals = {
    annotations: emptyTally(),
    settings: emptyTally(),
    subscriptions: emptyTally(),
    vapidKeys: emptyTally(),
  };
  readonly #reports: ImportReport[] = [];
  readonly #missing: string[] = [];

  constructor(dryRun: boolean) {
    this.#dryRun = dryRun;
  }

  /** Users that had something to be looked at. */
  get users(): number {
    return this.#reports.length;
  }

  add(report: ImportReport): void {
    this.#reports.push(report);
    addTo(this.#totals.annotations, report.annotations);
    addTo(this.#totals.settings, report.settings);
    addTo(this.#totals.subscriptions, report.subscriptions);
    if (report.vapid !== 'none') this.#totals.vapidKeys[report.vapid] += 1;
  }

  /** The user has no dict. */
  addMissing(user: string): void {
    this.#missing.push(user);
  }

  toJson(): Record<string, unknown> {
    return {
      dryRun: this.#dryRun,
      totals: this.#totals,
      users: this.#reports,
      withoutDict: this.#missing,
    };
  }

  describe(failures: readonly UserFailure[]): string {
    const { annotations, settings, subscriptions, vapidKeys } = this.#totals;
    const row = (name: string, { added, changed, unchanged, kept }: Tally) =>
      [name, added, changed, unchanged, kept] as const;
    const table = formatTable(
      [this.#dryRun ? 'WOULD BE' : 'WERE', 'ADDED', 'CHANGED', 'UNCHANGED', 'KEPT'],
      [
        row('annotations', annotations),
        row('settings', settings),
        row('subscriptions', subscriptions),
        row('VAPID keys', vapidKeys),
      ],
    );
    const notes = this.#reports.flatMap(({ user, skippedEntries, warnings }) => [
      ...skippedEntries.map(({ key, reason }) => `${user}: left out ${key}: ${reason}`),
      ...warnings.map((warning) => `${user}: ${warning}`),
    ]);
    const counts = `${this.users} user(s), ${this.#missing.length} without a dict, ${failures.length} failed`;
    const kept = Object.values(this.#totals).some((tally) => tally.kept > 0) ? [KEPT] : [];
    return [
      ...[table, '', counts, ...kept],
      ...shorten(notes),
      ...shorten(failures.map(({ user, reason }) => `${user}: failed: ${reason}`)),
    ].join('\n');
  }
}

const KEPT =
  'KEPT: the service has another value, and it stays; --overwrite puts the imported one in its place.';

function addTo(total: Tally, { added, changed, unchanged, kept }: Tally): void {
  total.added += added;
  total.changed += changed;
  total.unchanged += unchanged;
  total.kept += kept;
}

const shorten = (lines: readonly string[]): string[] => [
  ...lines.slice(0, MAX_LINES).map(printable),
  ...(lines.length > MAX_LINES ? [`… and ${lines.length - MAX_LINES} more; see --json`] : []),
];
