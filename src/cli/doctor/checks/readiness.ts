import { defineCheck } from '../check.ts';
import { isReady, TRAFFIC_CHECK, type ReadinessReport } from '../../../readiness.ts';

/** The check of that name has its own words for it. */
const TOLD_BY_CLOCK = 'clock';

/**
 * What the service itself says of its roads: it writes to its stores, we only look at them. A remark is no
 * fault of a part, but what the status page shows as a warning is none the less for it: pushes that are refused,
 * records that are damaged.
 */
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
    remarked: {
      severity: 'warning',
      what: 'GET /readyz says of {road}: {remark}.',
      remedy: 'The service goes on; its status page and its log say more.',
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
      const words = says.replace(/^ok(; |$)/, '').replace(/\.$/, '');
      if (!isReady(says)) report.fault('not-ready', { road, problem: words });
      else if (words === '' || road === TOLD_BY_CLOCK) continue;
      else if (road !== TRAFFIC_CHECK) report.fault('remarked', { road, remark: words });
      else {
        const metrics = (await ask(new URL('/metrics', origin))).text;
        const isCritical = /^coi_problem\{[^}]*severity="critical"[^}]*\} 1$/m.test(metrics);
        report.fault(isCritical ? 'broken' : 'impaired', { problem: words });
      }
    }
    report.note(Object.keys(checks).join(', '));
  },
});
