import { defineCheck } from '../check.ts';
import { isReady, TRAFFIC_CHECK, type ReadinessReport } from '../../../readiness.ts';

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
    broken: {
      severity: 'error',
      what: '{problem}.',
      remedy:
        'See the status page, the log of the service, and what is said below. What is past counts for up to half an hour, or until a restart.',
    },
    impaired: {
      severity: 'warning',
      what: '{problem}.',
      remedy:
        'See the status page and the log of the service. What is past counts for up to half an hour, or until a restart.',
    },
  },
  run: async ({ ask, origin }, report) => {
    const { text } = await ask(new URL('/readyz', origin));
    const { checks } = JSON.parse(text) as ReadinessReport;
    for (const [road, says] of Object.entries(checks)) {
      if (!isReady(says)) report.fault('not-ready', { road, problem: says.replace(/\.$/, '') });
    }
    // All parts can be there, and no mail or push get through.
    const problem = /^ok; (.*)/s.exec(checks[TRAFFIC_CHECK] ?? '')?.[1];
    if (problem !== undefined) {
      const metrics = (await ask(new URL('/metrics', origin))).text;
      const isCritical = /^coi_problem\{[^}]*severity="critical"[^}]*\} 1$/m.test(metrics);
      report.fault(isCritical ? 'broken' : 'impaired', { problem });
    }
    report.note(Object.keys(checks).join(', '));
  },
});
