import { assembleFigures } from './assemble-figures.ts';
import { assembleParts, assembleRoads } from './assemble-rows.ts';
import type { StatusFacts } from './status-facts.ts';
import type { AttemptRow, Row, ServiceRow, StatusView, Tone } from './status-view.ts';
import { counted, duration, shortTime } from './words.ts';

/** What the facts mean to a person who looks at them for ten seconds. Pure. */
export function assembleStatus(facts: StatusFacts): StatusView {
  const roads = assembleRoads(facts);
  const parts = assembleParts(facts);
  const services = assembleServices(facts);
  return {
    headline: assembleHeadline(facts, [...roads, ...parts], services),
    figures: assembleFigures(facts),
    roads,
    parts,
    services,
    attempts: assembleAttempts(facts),
    about: assembleAbout(facts),
  };
}

function assembleHeadline(
  { readiness }: StatusFacts,
  rows: readonly Row[],
  services: readonly ServiceRow[],
): StatusView['headline'] {
  const problems = [
    ...rows
      .filter(({ tone }) => tone === 'bad' || tone === 'warn')
      .map(({ name, tone, detail }) => ({ tone, about: name, says: detail })),
    ...services
      .filter(({ tone }) => tone !== 'good')
      // A push service that is down is its own affair as long as the others get their pushes.
      .map(({ service, state, owed }) => ({
        ...{ tone: 'warn' as const, about: service },
        says: `${state}; ${counted(owed, 'push', 'pushes')} owed`,
      })),
  ].sort((one, other) => SEVERITY[one.tone] - SEVERITY[other.tone]);
  const worst = problems[0]?.tone ?? (readiness === undefined ? 'quiet' : 'good');
  return {
    tone: worst,
    text: HEADLINES[worst],
    problems: problems.map(({ about, says }) => ({ about, says })),
  };
}

const SEVERITY: Record<Tone, number> = { bad: 0, warn: 1, quiet: 2, good: 3 };

const HEADLINES: Record<Tone, string> = {
  good: 'Everything works',
  warn: 'Works, with something to look at',
  bad: 'Something does not work',
  quiet: 'Having a first look',
};

const SERVICE_STATES = {
  open: { tone: 'good', state: 'open' },
  failing: { tone: 'bad', state: 'failing' },
} as const;

const assembleServices = ({ delivery }: StatusFacts): ServiceRow[] =>
  delivery.origins.map(({ origin, state, owed, paused }) => ({
    ...{ service: shown(origin), owed },
    ...SERVICE_STATES[state],
    paused,
  }));

const assembleAttempts = ({ attempts, now }: StatusFacts): AttemptRow[] =>
  attempts.map(({ at, kind, service, delivered, outcome, status, seconds }) => {
    const { value, unit } = shortTime(seconds);
    return {
      time: new Date(at).toISOString(),
      ago: `${duration((now - at) / 1_000)} ago`,
      ...{ kind, service: shown(service) },
      tone: delivered ? 'good' : 'bad',
      outcome: [outcome, ...(status === undefined ? [] : [status])].join(' '),
      took: `${value} ${unit}`,
    };
  });

/** What is not https is worth a look. */
const shown = (origin: string): string => origin.replace(/^https:\/\//, '');

function assembleAbout({ service, now, startedAt }: StatusFacts): StatusView['about'] {
  return [
    ['Version', service.version],
    ['Node', service.node],
    ['Annotations', `metadata.source: ${service.source}`],
    ['Events', `events.driver: ${service.driver}`],
    ['Store', service.store],
    ['Up for', duration((now - startedAt) / 1_000)],
  ];
}
