import type { ReadinessReport } from '../../../readiness.ts';
import { defineCheck } from '../check.ts';

/** Dates of messages and logs are compared by people, and those of events by the service. */
const TOLERANCE_MSECS = 5_000;

/** Nobody's clock is right who believes to live before this program was written. */
const EARLIEST = Date.UTC(2025, 0, 1);

export const clock = defineCheck({
  name: 'clock',
  part: 'service',
  title: 'The clock is right, as far as can be seen from here',
  needs: [],
  faults: {
    impossible: {
      severity: 'error',
      what: 'this host takes now for {now}: push services refuse tokens with such a date.',
      remedy: 'Set the clock, and keep it right: timedatectl set-ntp true.',
    },
    'other-than-dovecot': {
      severity: 'warning',
      what: 'Dovecot’s clock differs from this host’s by {seconds} s.',
      remedy: 'Let both hosts keep time by NTP: timedatectl set-ntp true.',
    },
    'was-set': {
      severity: 'warning',
      what: 'the service noticed: {remark}.',
      remedy: 'If that was not you, look at what keeps the time: timedatectl timesync-status.',
    },
  },
  run: async (setup, report) => {
    const { ask, origin, doveadm, now } = setup;
    if (now() < EARLIEST) report.fault('impossible', { now: new Date(now()).toISOString() });
    if (setup.doveadmProblem === undefined) {
      const asked = now();
      const date = await doveadm.check();
      const differs = date === undefined ? 0 : distance(date, asked, now());
      if (differs > TOLERANCE_MSECS) {
        report.fault('other-than-dovecot', { seconds: Math.round(differs / 1_000) });
      } else if (date !== undefined) report.note('as Dovecot’s');
    }
    if (setup.service !== undefined) {
      const { checks } = JSON.parse(
        (await ask(new URL('/readyz', origin))).text,
      ) as ReadinessReport;
      const remark = /^ok; (.*)$/.exec(checks['clock'] ?? '')?.[1];
      if (remark !== undefined) report.fault('was-set', { remark });
    }
  },
});

/** How far a date is from the time between question and answer; a header has whole seconds. */
const distance = (date: number, asked: number, answered: number): number =>
  Math.max(0, asked - 1_000 - date, date - answered);
