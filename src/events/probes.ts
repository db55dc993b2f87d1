import type { Classify } from '../coi/classify.ts';
import type { Transaction } from './event-schema.ts';

/** Whose mail a probe is: nobody's. A real user of this name has no chat and no pushes. */
export const PROBE_USER = 'coi-sidecar-doctor';

/** The subject of a probe's message: the one thing that all roads tell of a message. */
export const probeSubject = (id: string): string => `${PROBE_USER} ${id}`;

/** What came of a probe's message so far. */
export interface ProbeReport {
  /** Sieve asked where it belongs. */
  classified: boolean;
  /** Dovecot told that it was delivered. */
  reported: boolean;
}

/**
 * Messages with which `coi-sidecar doctor` has a real Dovecot run its scripts: they go by the roads of
 * all mail and end here. What comes of them is noted for the doctor to ask, and nothing else is done,
 * so that nothing of them remains.
 */
export interface Probes {
  /** What came of the probe with that id. */
  report(id: string): ProbeReport;
  /** Whether that was a probe's; it needs no further handling then, wherever it waited. */
  take(transaction: Transaction): boolean;
  /** Answers "keep" for probes. Other samples for nobody are classified as all mail is. */
  guard(classify: Classify): Classify;
}

/** More than one doctor at a time is rare; the oldest is forgotten. */
const MOST = 32;
const ID = new RegExp(`${PROBE_USER} ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`);
/** A probe's header is shorter. */
const HEADER_OCTETS = 1_024;

export function createProbes(): Probes {
  const reports = new Map<string, ProbeReport>();
  const note = (text: string, what: keyof ProbeReport): boolean => {
    const id = ID.exec(text)?.[1];
    if (id === undefined) return false;
    const before = reports.get(id) ?? { classified: false, reported: false };
    reports.delete(id);
    reports.set(id, { ...before, [what]: true });
    for (const oldest of reports.keys()) {
      if (reports.size <= MOST) break;
      reports.delete(oldest);
    }
    return true;
  };

  return {
    report: (id) => reports.get(id) ?? { classified: false, reported: false },
    take: ({ user, events }) => {
      if (user !== PROBE_USER) return false;
      for (const event of events) {
        if (event.event === 'MessageNew') note(event.subject ?? '', 'reported');
      }
      return true;
    },
    guard: (classify) => async (user, message) => {
      if (user !== PROBE_USER) return classify(user, message);
      const start = message.subarray(0, HEADER_OCTETS).toString('latin1');
      return note(start, 'classified') ? { action: 'keep' } : classify(user, message);
    },
  };
}
