import type { DovecotVersion } from '../../../src/cli/demo/dovecot-release.ts';
import type { Report } from '../../../src/cli/doctor/report.ts';
import type { DoctorRig, Examination } from '../../support/doctor-rig.ts';
import { classifyFaults } from './seeds/classify.ts';
import { commandFaults } from './seeds/commands.ts';
import { dovecotFaults } from './seeds/dovecot.ts';
import { eventFaults } from './seeds/events.ts';
import { metadataFaults } from './seeds/metadata.ts';
import { mtaFaults } from './seeds/mta.ts';
import { outsideFaults } from './seeds/outside.ts';
import { serviceFaults } from './seeds/service.ts';
import { tripFaults } from './seeds/trip.ts';

/** A way to break a right set-up. */
export interface Seed {
  /** `<check>.<fault>` that has to be found, and nothing else. */
  fault: string;
  /** Where one fault has several causes. */
  cause?: string;
  /** Versions of Dovecot on which it can be broken this way; default: both. */
  versions?: readonly DovecotVersion[];
  /** Checks that are made; default: the fault's own. */
  only?: readonly string[];
  /** Faults that come along, since one and the same thing shows at several places. */
  along?: readonly string[];
  /** What a message has to name. */
  says?: RegExp;
  /** Why it cannot be broken on this machine. */
  skip?: string | false;
  /** What is shown to the doctor; anything that it changes on the stage, it puts back. */
  break: (rig: DoctorRig, examine: Examine) => Promise<Report> | Examination;
}

/** A way that has to do more than show something else to the doctor. */
export type Break = (rig: DoctorRig, examine: Examine) => Promise<Report>;

/** Examines, with the seed's own checks; another set-up, if one is given. */
export type Examine = (examination?: Examination, rig?: DoctorRig) => Promise<Report>;

export const seededFaults: readonly Seed[] = [
  ...serviceFaults,
  ...dovecotFaults,
  ...mtaFaults,
  ...eventFaults,
  ...classifyFaults,
  ...metadataFaults,
  ...commandFaults,
  ...outsideFaults,
  ...tripFaults,
];
