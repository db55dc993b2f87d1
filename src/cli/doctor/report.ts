import type { Part } from './check.ts';

/** A fault that was found. */
export interface Finding {
  severity: 'warning' | 'error';
  /** `<check>.<fault>`, as in docs/doctor.md. */
  fault: string;
  message: string;
  remedy: string;
}

export interface CheckResult {
  name: string;
  part: Part;
  title: string;
  /**
   * The worst finding; without one `unknown` when something could not be looked at, and `skipped` when
   * nobody asked for any of it.
   */
  verdict: Verdict | 'skipped';
  findings: Finding[];
  /** What could not be looked at, and why; and what was not asked for. */
  skipped: string[];
  notes: string[];
}

/** The worst first. Not to know is no good news. */
const VERDICTS = ['error', 'warning', 'unknown', 'ok'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What the doctor found: printed for people, or as it is for machines. */
export interface Report {
  /** Of this command. */
  version: string;
  /** Of Dovecot, if that could be told. */
  dovecot: string | null;
  verdict: Verdict;
  counts: Record<CheckResult['verdict'], number>;
  checks: CheckResult[];
}

/** @param results in the order of the report */
export function summarise(
  results: readonly CheckResult[],
  dovecot: string | null,
  version: string,
) {
  const counts = { ok: 0, warning: 0, error: 0, unknown: 0, skipped: 0 };
  for (const { verdict } of results) counts[verdict] += 1;
  const verdict = VERDICTS.find((one) => counts[one] > 0) ?? 'ok';
  return { version, dovecot, verdict, counts, checks: [...results] } satisfies Report;
}
