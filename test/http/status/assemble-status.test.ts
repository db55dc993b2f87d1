import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assembleStatus } from '../../../src/http/status/assemble-status.ts';
import type { Problem } from '../../../src/http/status/judge-health.ts';
import type { StatusFacts } from '../../../src/http/status/status-facts.ts';
import type { OriginSnapshot } from '../../../src/webpush/delivery/delivery.ts';
import type { Row } from '../../../src/http/status/status-view.ts';
import { idleFacts, NOW, sample } from './status-facts.ts';

const view = (more: Partial<StatusFacts> = {}) => assembleStatus(idleFacts(more));

function row(name: string, more: Partial<StatusFacts> = {}): Omit<Row, 'purpose'> {
  const { roads, parts } = view(more);
  const { tone, state, detail } = [...roads, ...parts].find((one) => one.name === name)!;
  return { name, tone, state, detail };
}

const check = (name: string, says: string): Partial<StatusFacts> => ({
  readiness: {
    ready: says.startsWith('ok'),
    checks: { ...idleFacts().readiness!.checks, [name]: says },
  },
});

const service = (
  state: 'open' | 'failing',
  paused = 0,
  more: Partial<OriginSnapshot> = {},
): OriginSnapshot => ({
  ...{ origin: 'https://push.example.net', state, owed: 7, paused },
  ...{ failedInARow: 0, failedUsers: 0, ...more },
});

const withServices = (...origins: OriginSnapshot[]): Partial<StatusFacts> => ({
  delivery: { ...idleFacts().delivery, origins, originCount: origins.length },
});

describe('the headline', () => {
  it('is good when everything is, though nothing happened yet', () => {
    assert.deepEqual(view().headline, { tone: 'good', text: 'Everything works', problems: [] });
  });

  it('waits for the first look', () => {
    assert.equal(view({ readiness: undefined }).headline.tone, 'quiet');
  });

  it('says what is wrong, the worst first', () => {
    const { headline } = view({
      ...check('doveadm', 'the doveadm API does not answer'),
      ...withServices(service('failing', 0, { lastFailure: 'timeout' }), service('open')),
      pending: 2,
    });
    assert.deepEqual(headline, {
      tone: 'bad',
      text: 'Something does not work',
      problems: [
        { about: 'commands', says: 'the doveadm API does not answer' },
        { about: 'event log', says: '2 transactions to handle' },
        { about: 'push.example.net', says: 'failing (timeout); 7 pushes owed' },
      ],
    });
  });

  it('takes a push service that is down for the service’s own affair', () => {
    const { tone } = view(withServices(service('failing'))).headline;
    assert.equal(tone, 'warn');
  });
});

describe('what is wrong though all parts work', () => {
  const problem = (place: Problem['place'], severity: Problem['severity']): Problem => ({
    ...{ name: 'pushes_failing', place, severity, says: 'nothing gets through' },
  });

  it('shows in the row that it is about, and in the headline', () => {
    const critical = { problems: [problem('pushes', 'critical')] };
    assert.deepEqual(row('pushes', critical), {
      ...{ name: 'pushes', tone: 'bad', state: 'failing', detail: 'nothing gets through' },
    });
    const { tone, problems } = view(critical).headline;
    assert.equal(tone, 'bad');
    assert.deepEqual(problems, [{ about: 'pushes', says: 'nothing gets through' }]);
  });

  it('is worth a look when it is a warning, and never hides what does not work at all', () => {
    const warning = { problems: [problem('outbox', 'warning')] };
    assert.deepEqual([row('outbox', warning).tone, view(warning).headline.tone], ['warn', 'warn']);
    const both = { ...check('outbox', 'the disk is full'), ...warning };
    assert.equal(row('outbox', both).detail, 'the disk is full');
  });

  it('has a row wherever it is about, and no second one', () => {
    const places = ['events', 'classify', 'metadata', 'commands', 'pushes', 'outbox', 'event log'];
    for (const place of places as Problem['place'][]) {
      assert.equal(row(place, { problems: [problem(place, 'critical')] }).tone, 'bad', place);
    }
    const { parts } = view(check('traffic', 'ok; pushes: nothing gets through'));
    assert.ok(parts.every(({ name }) => name !== 'traffic'));
  });
});

describe('roads and parts', () => {
  it('are named as in docs/install-by-hand.md; with Dovecot’s own dict there is no road for annotations', () => {
    const names = ['events', 'classify', 'metadata', 'commands', 'pushes'];
    assert.deepEqual(
      view().roads.map(({ name }) => name),
      names,
    );
    const doveadm = { ...idleFacts().service, source: 'doveadm' } as const;
    assert.deepEqual(
      view({ service: doveadm }).roads.map(({ name }) => name),
      names.filter((name) => name !== 'metadata'),
    );
  });

  it('tell by which driver events come', () => {
    const [lua] = view().roads;
    const [ox] = view({ service: { ...idleFacts().service, driver: 'ox' } }).roads;
    assert.match(lua?.purpose ?? '', /Lua/);
    assert.match(ox?.purpose ?? '', /ox driver/);
  });

  it('on which nothing came are no fault', () => {
    assert.deepEqual(row('events'), {
      ...{ name: 'events', tone: 'quiet', state: 'not used yet', detail: '' },
    });
  });

  it('in use say when and how much', () => {
    const used = {
      heard: new Map([['events', NOW - 125_000]] as const),
      samples: [sample(0, { events: 5 }), sample(20, { events: 7 }), sample(60, { events: 1_240 })],
    };
    assert.deepEqual(row('events', used), {
      ...{ name: 'events', tone: 'good', state: 'in use', detail: '2 min ago, 1,233 in 30 min' },
    });
  });

  it('that failed a moment ago say so, and not for longer', () => {
    const failed = (minute: number): Partial<StatusFacts> => ({
      heard: new Map([['classified', NOW]] as const),
      samples: [
        sample(0),
        sample(minute, { classifyFailed: 1 }),
        sample(60, { classifyFailed: 1 }),
      ],
    });
    assert.deepEqual(row('classify', failed(58)), {
      ...{ name: 'classify', tone: 'warn', state: 'failing' },
      detail: '1 failure in 5 min; the log says why',
    });
    assert.equal(row('classify', failed(54)).state, 'in use');
  });

  it('that are checked say why they are not ready', () => {
    const store = { name: 'store', tone: 'bad', state: 'not ready', detail: 'the disk is full' };
    assert.deepEqual(row('store', check('store', 'the disk is full')), store);
    const [commands, pushes] = ['doveadm', 'proxy'].map((name) => check(name, 'is away'));
    assert.equal(row('commands', commands).detail, 'is away');
    assert.equal(row('pushes', pushes).detail, 'is away');
  });

  it('that nobody has thought of here are shown when they are checked', () => {
    const more = check('doveadm.socket', 'cannot connect');
    assert.deepEqual(row('doveadm.socket', more), {
      ...{ name: 'doveadm.socket', tone: 'bad', state: 'not ready', detail: 'cannot connect' },
    });
    assert.equal(view(check('something new', 'is broken')).headline.tone, 'bad');
  });

  it('that work with a remark are worth a look', () => {
    assert.deepEqual(row('clock', check('clock', 'ok; stepped back by 3 s')), {
      ...{ name: 'clock', tone: 'warn', state: 'ready', detail: 'stepped back by 3 s' },
    });
  });

  it('count the throttled, and do not name them', () => {
    assert.equal(row('throttle').state, 'nobody');
    assert.equal(row('throttle', { throttledUsers: 1 }).state, '1 user');
    assert.equal(row('throttle', { throttledUsers: 1_200 }).state, '1,200 users');
  });

  it('say that event logs that cannot be kept are not ready, and nothing else', () => {
    const unreadable = { ...check('events', 'cannot be used'), pending: 2 };
    assert.equal(row('event log', unreadable).detail, 'cannot be used');
  });
});

describe('figures', () => {
  const figure = (name: string, more: Partial<StatusFacts> = {}) =>
    view(more).figures.find((one) => one.name === name)!;

  it('count the last minute, and show the half hour', () => {
    const samples = [
      ...[sample(0), sample(30, { mail: 5 }), sample(59, { mail: 1_005 })],
      sample(60, { mail: 1_017 }),
    ];
    const { value, unit, note, series, seriesLabel } = figure('Mail reported', { samples });
    assert.deepEqual([value, unit, note], ['12', 'a minute', '1,012 in 30 min']);
    assert.deepEqual(series.slice(-3), [0, 1_000, 12]);
    assert.equal(series.length, 30);
    assert.equal(seriesLabel, 'at most 1,000 in a minute in the last 30 minutes');
  });

  it('are red for attempts that failed just now, and say what was given up', () => {
    const samples = [sample(0), sample(60, { failed: 3, dropped: 1 })];
    const { tone, note } = figure('Attempts failed', { samples });
    assert.deepEqual([tone, note], ['bad', '3 in 30 min; 1 push given up']);
    assert.equal(figure('Attempts failed').tone, 'quiet');
  });

  it('have no latency where no push was accepted', () => {
    const { value, note } = figure('Push latency');
    assert.deepEqual([value, note], [undefined, 'no push in 5 min']);
  });

  it('tell how long the oldest push has waited', () => {
    const delivery = { ...idleFacts().delivery, owed: 1_234, oldestAgeMsecs: 3_900_000 };
    const { value, note } = figure('Outbox', { delivery });
    assert.deepEqual([value, note], ['1,234', 'the oldest for 1 h 5 min']);
    assert.equal(figure('Outbox').note, 'nothing waits');
  });
});

describe('lists', () => {
  it('name push services by host, with their state and pauses', () => {
    const { services } = view(
      withServices({ ...service('open'), origin: 'http://ntfy.lan' }, service('failing', 3)),
    );
    assert.deepEqual(services, [
      {
        ...{ service: 'push.example.net', tone: 'bad', state: 'failing', why: '' },
        ...{ owed: 7, paused: 3 },
      },
      {
        ...{ service: 'http://ntfy.lan', tone: 'good', state: 'open', why: '' },
        ...{ owed: 7, paused: 0 },
      },
    ]);
  });

  it('call a push service open only if its last attempt succeeded', () => {
    const states = [0, 1, 2, 3].map((failedInARow) => {
      const more = { failedInARow, ...(failedInARow > 0 && { lastFailure: 'forbidden' as const }) };
      const [{ tone, state, why } = {}] = view(withServices(service('open', 0, more))).services;
      return [tone, state, why];
    });
    assert.deepEqual(states, [
      ['good', 'open', ''],
      ['quiet', 'forbidden', ''],
      ['quiet', 'forbidden', ''],
      ['bad', 'failing', 'forbidden'],
    ]);
    const all = view(withServices(service('open', 0, { failedInARow: 3, lastFailure: 'dns' })));
    assert.equal(all.headline.tone, 'warn');
  });

  it('show a dozen push services, those in trouble first, and say how many more there are', () => {
    const many = Array.from({ length: 39 }, (_, index) =>
      service('open', 0, index < 20 ? {} : { failedInARow: 5, lastFailure: 'timeout' }),
    );
    const { services, moreServices, headline } = view(withServices(...many));
    assert.equal(services.length, 12);
    assert.equal(moreServices, 27);
    assert.ok(services.every(({ state }) => state === 'failing'));
    assert.equal(headline.problems.length, 4);
    assert.deepEqual(headline.problems[3], { about: '16 more push services', says: 'failing' });
    assert.equal(view(withServices(service('open'))).moreServices, 0);
  });

  it('tell of attempts how they ended', () => {
    const attempt = { at: NOW - 8_000, kind: 'message', service: 'https://a.example' } as const;
    const { attempts } = view({
      attempts: [
        { ...attempt, delivered: true, outcome: 'accepted', status: 201, seconds: 0.043 },
        { ...attempt, delivered: false, outcome: 'timeout', seconds: 2.04 },
      ],
    });
    assert.deepEqual(attempts, [
      {
        ...{ time: '2026-01-15T11:59:52.000Z', ago: '8 s ago', kind: 'message' },
        ...{ service: 'a.example', tone: 'good', outcome: 'accepted 201', took: '43 ms' },
      },
      {
        ...{ time: '2026-01-15T11:59:52.000Z', ago: '8 s ago', kind: 'message' },
        ...{ service: 'a.example', tone: 'bad', outcome: 'timeout', took: '2.0 s' },
      },
    ]);
  });

  it('say what runs here, and since when', () => {
    const about = Object.fromEntries(view().about);
    assert.equal(about['Version'], '1.2.3');
    assert.equal(about['Up for'], '1 h 2 min');
  });
});
