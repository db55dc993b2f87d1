import { defineCheck } from '../check.ts';
import type { ReadinessReport } from '../../../readiness.ts';

/** What the service itself says of its roads: it writes to its stores, we only look at them. */
export const readiness = defineCheck({
  name: 'readiness',
  part: 'service',
  title: 'The service finds all that it needs',
  needs: ['service'],
  faults: {
    'not-ready': {
      severity: 'error',
      what: 'GET /readyz says of {road}: {problem}.',
      remedy: 'See what is said of it below, and the log of the service.',
    },
  },
  run: async ({ ask, origin }, report) => {
    const { text } = await ask(new URL('/readyz', origin));
    const { checks } = JSON.parse(text) as ReadinessReport;
    for (const [road, says] of Object.entries(checks)) {
      if (!/^ok\b/.test(says))
        report.fault('not-ready', { road, problem: says.replace(/\.$/, '') });
    }
    report.note(Object.keys(checks).join(', '));
  },
});
