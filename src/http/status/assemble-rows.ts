import { isReady, TRAFFIC_CHECK } from '../../readiness.ts';
import { HISTORY_MINUTES } from './history.ts';
import { growth } from './series.ts';
import type { StatusFacts } from './status-facts.ts';
import type { Row } from './status-view.ts';
import type { Totals } from './totals.ts';
import { ago, count, counted } from './words.ts';

/** Failures count as present for so many minutes. */
const FAILURE_MINUTES = 5;

/** The roads between Dovecot, this service and the push services. */
export function assembleRoads(facts: StatusFacts): Row[] {
  const { source, driver } = facts.service;
  const metadata = { name: 'metadata', purpose: 'Dovecot keeps annotations here' };
  const rows = [
    heard(facts, { name: 'events', purpose: EVENTS[driver] }, { uses: 'events' }),
    heard(
      facts,
      { name: 'classify', purpose: 'Sieve asks what is chat' },
      { uses: 'classified', failures: 'classifyFailed' },
    ),
    ...(source === 'dict'
      ? [heard(facts, metadata, { uses: 'dict', failures: 'dictFailed' })]
      : []),
    commands(facts),
    pushes(facts),
  ];
  return rows.map((row) => withProblems(row, facts));
}

const EVENTS = {
  lua: 'Dovecot’s Lua script tells of mail',
  ox: 'Dovecot’s ox driver tells of mail',
};

/** What this service itself needs. */
export function assembleParts(facts: StatusFacts): Row[] {
  const rows = [
    checked(facts, 'store', { name: 'store', purpose: 'Annotations and subscriptions' }),
    checked(facts, 'outbox', { name: 'outbox', purpose: 'Pushes that are owed' }),
    eventLog(facts),
    checked(facts, 'clock', { name: 'clock', purpose: 'Signed pushes need the right time' }),
    ...others(facts),
    throttle(facts),
  ];
  return rows.map((row) => withProblems(row, facts));
}

/** What is wrong by what happened; a part that does not work at all goes first. */
function withProblems(row: Row, { problems }: StatusFacts): Row {
  const here = problems.filter(({ place }) => place === row.name);
  const [worst] = here;
  if (worst === undefined || row.tone === 'bad') return row;
  return {
    ...row,
    ...(worst.severity === 'critical'
      ? { tone: 'bad', state: 'failing' }
      : { tone: 'warn', state: 'warning' }),
    detail: here.map(({ says }) => says).join('; '),
  };
}

/** Whatever else `/readyz` looks at: what it complains of must not be missing here. */
const others = (facts: StatusFacts): Row[] =>
  Object.keys(facts.readiness?.checks ?? {})
    .filter((name) => !HAS_A_ROW.includes(name))
    .map((name) => checked(facts, name, { name, purpose: PURPOSES[name] ?? '' }));

/** What the check of the traffic remarks stands in the rows that it is about. */
const HAS_A_ROW: readonly string[] = [
  ...['doveadm', 'proxy', 'store', 'outbox', 'events', 'clock', TRAFFIC_CHECK],
];
const PURPOSES: Partial<Record<string, string>> = {
  'doveadm.socket': 'Messages octet by octet',
};

type Named = Pick<Row, 'name' | 'purpose'>;
interface Counted {
  uses: keyof Totals;
  failures?: keyof Totals;
}

/** A road on which Dovecot comes to us: that nobody came yet need not be a fault. */
function heard(facts: StatusFacts, named: Named, { uses, failures }: Counted): Row {
  const failed = failures === undefined ? 0 : growth(facts.samples, failures, FAILURE_MINUTES);
  if (failed > 0) {
    const detail = `${counted(failed, 'failure')} in ${FAILURE_MINUTES} min; the log says why`;
    return { ...named, tone: 'warn', state: 'failing', detail };
  }
  const detail = activity(facts, uses);
  return detail === ''
    ? { ...named, tone: 'quiet', state: 'not used yet', detail }
    : { ...named, tone: 'good', state: 'in use', detail };
}

/** When it was last used, and how much; empty when it was not. */
function activity({ heard: times, samples, now }: StatusFacts, uses: keyof Totals): string {
  const at = times.get(uses);
  if (at === undefined) return '';
  const recent = count(growth(samples, uses, HISTORY_MINUTES));
  return `${ago((now - at) / 1_000)}, ${recent} in ${HISTORY_MINUTES} min`;
}

/** Something that `/readyz` looks at. */
function checked({ readiness }: StatusFacts, check: string, named: Named): Row {
  const says = readiness?.checks[check];
  if (says === undefined) return { ...named, tone: 'quiet', state: 'not known yet', detail: '' };
  if (!isReady(says)) return { ...named, tone: 'bad', state: 'not ready', detail: says };
  const remark = says.slice('ok; '.length);
  return { ...named, tone: remark === '' ? 'good' : 'warn', state: 'ready', detail: remark };
}

function commands(facts: StatusFacts): Row {
  const named = { name: 'commands', purpose: 'We ask Dovecot’s doveadm API' };
  const row = checked(facts, 'doveadm', named);
  if (row.tone !== 'good') return row;
  const { tone, state, detail } = heard(facts, named, {
    uses: 'doveadm',
    failures: 'doveadmFailed',
  });
  return tone === 'warn' ? { ...named, tone, state, detail } : { ...row, detail };
}

function pushes(facts: StatusFacts): Row {
  const named = { name: 'pushes', purpose: 'We go to the push services' };
  const proxy = checked(facts, 'proxy', named);
  if (proxy.tone === 'bad') return proxy;
  const { state } = facts.delivery;
  return state === 'running'
    ? heard(facts, named, { uses: 'accepted' })
    : { ...named, tone: 'warn', state: 'not running', detail: `delivery is ${state}` };
}

function eventLog(facts: StatusFacts): Row {
  const row = checked(facts, 'events', { name: 'event log', purpose: 'Events that wait' });
  if (row.tone !== 'good') return row;
  const { pending } = facts;
  return pending === 0
    ? { ...row, detail: 'empty' }
    : {
        ...row,
        tone: 'warn',
        state: 'filled',
        detail: `${counted(pending, 'transaction')} to handle`,
      };
}

/** Their names are for `coi-sidecar users throttled`: this page may hang on a wall. */
function throttle({ throttledUsers }: StatusFacts): Row {
  const named = {
    name: 'throttle',
    purpose: 'Users who have to wait with new subscriptions, after refusals',
  };
  return throttledUsers === 0
    ? { ...named, tone: 'good', state: 'nobody', detail: '' }
    : {
        ...{ ...named, tone: 'quiet', state: counted(throttledUsers, 'user') },
        detail: 'coi-sidecar users throttled',
      };
}
