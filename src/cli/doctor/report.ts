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
  /** `skipped` when nothing could be looked at; the worst finding otherwise. */
  verdict: 'ok' | 'warning' | 'error' | 'skipped';
  findings: Finding[];
  /** What could not be looked at, and why. */
  skipped: string[];
  notes: string[];
}

/** What the doctor found: printed for people, or as it is for machines. */
export interface Report {
  /** Of this command. */
  version: string;
  /** Of Dovecot, if that could be told. */
  dovecot: string | null;
  verdict: 'ok' | 'warning' | 'error';
  counts: Record<CheckResult['verdict'], number>;
  checks: CheckResult[];
}

/** @param results in the order of the report */
export function summarise(
  results: readonly CheckResult[],
  dovecot: string | null,
  version: string,
) {
  const counts = { ok: 0, warning: 0, error: 0, skipped: 0 };
  for (const { verdict } of results) counts[verdict] += 1;
  const verdict = counts.error > 0 ? 'error' : counts.warning > 0 ? 'warning' : 'ok';
  return { version, dovecot, verdict, counts, checks: [...results] } satisfies Report;
}
