import type { Setup } from './setup/setup.ts';

/** The parts of a report, in their order, with their headings. */
export const PARTS = {
  service: 'The service',
  dovecot: 'Dovecot',
  events: 'Events: Dovecot tells the service',
  classify: 'Classification: Sieve asks the service',
  metadata: 'Annotations: clients set, the service knows',
  commands: 'Commands: the service asks Dovecot',
  outside: 'The outside',
  trip: 'A chat message’s trip',
} as const;

export type Part = keyof typeof PARTS;

/** Something that can be wrong. Its texts hold `{placeholders}`; docs/doctor.md is made from them. */
export interface Fault {
  /** `error`: something does not work. `warning`: it works, and not as it should. */
  readonly severity: 'warning' | 'error';
  /** What is wrong, and where. */
  readonly what: string;
  readonly remedy: string;
}

/** What has to be there before a check makes sense. */
export type Need = 'configuration' | 'service' | 'dovecot' | 'doveadm';

/** One thing that is looked at. */
export interface Check<Name extends string = string> {
  /** Stable: it stands in the JSON, with the fault's name behind it. */
  readonly name: string;
  readonly part: Part;
  /** What holds when nothing is wrong. */
  readonly title: string;
  readonly needs: readonly Need[];
  /** Whether it has anything to do with this set-up; if not, it is left out of the report. */
  readonly applies?: (setup: Setup) => boolean;
  readonly faults: Readonly<Record<Name, Fault>>;
  run(setup: Setup, report: Reporter<Name>): Promise<void> | void;
}

export type Values = Readonly<Record<string, string | number>>;

/** Where a check leaves what it found. */
export interface Reporter<Name extends string = string> {
  fault: (name: Name, values?: Values) => void;
  /** Something that could not be looked at, and why: nobody knows then whether it works. */
  skip: (reason: string) => void;
  /** Something that is looked at only when it is asked for, and how to ask. */
  offer: (what: string) => void;
  /** What is worth knowing although it is good. */
  note: (text: string) => void;
}

/** Only there so that the faults' names are known within the check. */
export const defineCheck = <Name extends string>(check: Check<Name>): Check<Name> => check;
