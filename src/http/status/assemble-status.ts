import type { OriginSnapshot } from '../../webpush/delivery/delivery.ts';
import { assembleFigures } from './assemble-figures.ts';
import { assembleParts, assembleRoads } from './assemble-rows.ts';
import type { StatusFacts } from './status-facts.ts';
import type { AttemptRow, Row, ServiceRow, StatusView, Tone } from './status-view.ts';
import { counted, duration, shortTime } from './words.ts';

/** Rows of the table of push services: whoever runs a service for one device each makes many. */
const SHOWN_SERVICES = 12;

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
    services: services.slice(0, SHOWN_SERVICES),
    moreServices: Math.max(0, facts.delivery.originCount - SHOWN_SERVICES),
    attempts: assembleAttempts(facts),
    about: assembleAbout(facts),
  };
}

function assembleHeadline(
  { readiness }: StatusFacts,
  rows: readonly Row[],
  services: readonly ServiceRow[],
): StatusView['headline'] {
  // A push service that is down is its own affair as long as the others get their pushes.
  const failing = services.filter(({ tone }) => tone === 'bad');
  const unnamed = failing.length - NAMED_SERVICES;
  const problems = [
    ...rows
      .filter(({ tone }) => tone === 'bad' || tone === 'warn')
      .map(({ name, tone, detail }) => ({ tone, about: name, says: detail })),
    ...failing.slice(0, NAMED_SERVICES).map(({ service, state, why, owed }) => ({
      ...{ tone: 'warn' as const, about: service },
      says: `${state}${why && ` (${why})`}; ${counted(owed, 'push', 'pushes')} owed`,
    })),
    ...(unnamed > 0
      ? [{ tone: 'warn' as const, about: counted(unnamed, 'more push service'), says: 'failing' }]
      : []),
  ].sort((one, other) => SEVERITY[one.tone] - SEVERITY[other.tone]);
  const worst = problems[0]?.tone ?? (readiness === undefined ? 'quiet' : 'good');
  return {
    tone: worst,
    text: HEADLINES[worst],
    problems: problems.map(({ about, says }) => ({ about, says })),
  };
}

const NAMED_SERVICES = 3;
const SEVERITY: Record<Tone, number> = { bad: 0, warn: 1, quiet: 2, good: 3 };

const HEADLINES: Record<Tone, string> = {
  good: 'Everything works',
  warn: 'Works, with something to look at',
  bad: 'Something does not work',
  quiet: 'Having a first look',
};

/** So many attempts in a row that nothing came of are no accident. */
const FAILURES_UNTIL_BAD = 3;

/** Those that are in trouble first. */
const assembleServices = ({ delivery }: StatusFacts): ServiceRow[] =>
  delivery.origins
    .map((origin) => ({
      ...{ service: shown(origin.origin), owed: origin.owed, paused: origin.paused },
      ...stateOf(origin),
    }))
    .sort((one, other) => SEVERITY[one.tone] - SEVERITY[other.tone]);

/** `open` is one whose last attempt succeeded, or that had none yet. */
function stateOf({
  state,
  failedInARow,
  lastFailure,
}: OriginSnapshot): Pick<ServiceRow, 'tone' | 'state' | 'why'> {
  if (state === 'failing' || failedInARow >= FAILURES_UNTIL_BAD) {
    return { tone: 'bad', state: 'failing', why: lastFailure ?? '' };
  }
  return failedInARow > 0 && lastFailure !== undefined
    ? { tone: 'quiet', state: lastFailure, why: '' }
    : { tone: 'good', state: 'open', why: '' };
}

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
