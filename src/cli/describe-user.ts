import type { Static } from '@fastify/type-provider-typebox';
import type { SubscriptionView, UserView } from '../http/routes/admin/schemas.ts';
import { formatPairs, formatTable } from './format-table.ts';

/** `2026-03-01T12:00:00.000Z` → `2026-03-01 12:00:00Z`. */
export const shortTime = (time: string): string =>
  time.replace('T', ' ').replace(/\.\d+(?=Z|[+-]\d\d:\d\d$)/, '');

/** All about one user, for people. */
export function describeUser(state: Static<typeof UserView>): string {
  const { vapid, throttled, annotations, subscriptions } = state;
  const pairs: [string, string][] = [
    ['user', state.user],
    ['COI', state.enabled ? 'enabled' : 'not enabled'],
    ['message filter', state.messageFilter],
    ['VAPID key', vapid ? vapid.curve : 'none yet'],
    ['throttle', throttled ? describeThrottle(throttled) : 'none'],
    ['annotations', `${annotations.entries} that pass through, ${annotations.octets} octets`],
  ];
  const blocks = [formatPairs(pairs)];
  if (vapid) blocks.push(vapid.publicKey);
  blocks.push(
    subscriptions.length === 0
      ? 'No subscriptions.'
      : formatTable(
          ['ID', 'STATE', 'TYPE', 'CLIENT', 'DEVICE', 'SERVICE', 'SENT', 'FAILED', 'LAST'],
          subscriptions.map(row),
        ),
  );
  return blocks.join('\n\n');
}

function row(one: Static<typeof SubscriptionView>): (string | number)[] {
  const { successes, failures } = one.deliveries;
  const names = [one.client ?? '-', one.device ?? '-'];
  return [one.id, one.state, one.msgtype, ...names, one.origin, successes, failures, lastOf(one)];
}

/** `delivered 201 at 2026-03-01 12:00:00Z` */
function lastOf({ deliveries }: Static<typeof SubscriptionView>): string {
  const { lastOutcome, lastStatus, lastAt } = deliveries;
  if (lastOutcome === undefined) return '-';
  const status = lastStatus === undefined ? '' : ` ${lastStatus}`;
  return `${lastOutcome}${status}${lastAt === undefined ? '' : ` at ${shortTime(lastAt)}`}`;
}

const describeThrottle = (throttle: { state: string; refusals: number; until: string }): string =>
  `${throttle.state} until ${shortTime(throttle.until)}, after ${throttle.refusals} refusals`;
