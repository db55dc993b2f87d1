import type { Counter, Histogram } from 'prom-client';
import { ACTIONS } from '../coi/classify.ts';
import { COI_TRANSITIONS } from '../coi/settings.ts';
import { DICT_COMMANDS, DICT_RESULTS } from '../dict/pending-commands.ts';
import { DOVEADM_REQUESTS, DOVEADM_RESULTS } from '../dovecot/doveadm-client.ts';
import { EVENT_NAMES } from '../events/event-schema.ts';
import { MOVE_REASONS } from '../events/handle-transaction.ts';
import { GIVEN_UP_REASONS } from '../events/journal-worker.ts';
import { SPOOL_RESULTS } from '../events/old-spool.ts';
import { LINE_RESULTS } from '../events/user-log.ts';
import { REFUSAL_SUBJECTS } from '../metadata/gate.ts';
import type { Metrics } from '../metrics.ts';
import { PUSH_KINDS } from '../stores/outbox-store.ts';
import { DROP_REASONS } from '../webpush/delivery/delivery.ts';
import { OUTCOME_REASONS } from '../webpush/outcome/outcome.ts';
import { BUDGETS } from '../webpush/subscriptions/attempt-budget.ts';
import { SUBSCRIPTION_CHANGES } from '../webpush/subscriptions/subscription-change.ts';

/** On which road Sieve asked. */
export const CLASSIFY_ROADS = ['socket', 'http'] as const;
/** What a classification ends in. */
const CLASSIFY_ANSWERS = [...ACTIONS, 'failed'] as const;
export type ClassifyAnswer = (typeof CLASSIFY_ANSWERS)[number];
/** What had COI enabled or disabled. */
const TRANSITION_CAUSES = ['metadata', 'mailbox'] as const;
const CACHES = ['messages', 'settings', 'contacts'] as const;
const CACHE_RESULTS = ['hit', 'miss'] as const;

/**
 * Has every combination of labels be there from the start. Of a series that begins with its first value
 * Prometheus sees no increase: the one fault that a service had would show in no graph and fire no alert.
 */
export function startAtZero(metrics: Metrics): void {
  start(metrics.events, { event: EVENT_NAMES });
  start(metrics.spoolFiles, { result: SPOOL_RESULTS });
  start(metrics.logLines, { result: LINE_RESULTS });
  start(metrics.eventsGivenUp, {
    reason: [...new Set([...GIVEN_UP_REASONS, ...LINE_RESULTS.filter((one) => one !== 'taken')])],
  });
  start(metrics.classifications, { road: CLASSIFY_ROADS, answer: CLASSIFY_ANSWERS });
  start(metrics.moves, { reason: MOVE_REASONS });
  start(metrics.transitions, { state: COI_TRANSITIONS, cause: TRANSITION_CAUSES });
  start(metrics.dictCommands, { command: DICT_COMMANDS, result: DICT_RESULTS });
  start(metrics.dictDuration, { command: DICT_COMMANDS });
  start(metrics.refusals, { about: REFUSAL_SUBJECTS });
  start(metrics.doveadmRequests, { command: DOVEADM_REQUESTS, result: DOVEADM_RESULTS });
  start(metrics.cacheLookups, { cache: CACHES, result: CACHE_RESULTS });
  start(metrics.subscriptions, { change: SUBSCRIPTION_CHANGES });
  start(metrics.pushes, { kind: PUSH_KINDS, outcome: OUTCOME_REASONS });
  start(metrics.outboxDropped, { reason: DROP_REASONS });
  start(metrics.attemptsExceeded, { budget: BUDGETS });
}

function start<Label extends string>(
  metric: Counter<Label> | Histogram<Label>,
  values: Record<Label, readonly string[]>,
): void {
  let combinations: Partial<Record<Label, string>>[] = [{}];
  for (const label of Object.keys(values) as Label[]) {
    combinations = combinations.flatMap((before) =>
      values[label].map((value) => ({ ...before, [label]: value })),
    );
  }
  for (const labels of combinations) {
    if ('zero' in metric) metric.zero(labels);
    else metric.inc(labels as Record<Label, string>, 0);
  }
}
