import assert from 'node:assert/strict';
import type { ImapClient } from './imap-client.ts';
import { eventually, VENDOR } from './start-stage.ts';

export const subscriptionPath = (id: string): string => `${VENDOR}/webpush/subscriptions/${id}`;

/** Whoever is to get the pushes. */
export interface Subscriber {
  resource: { endpoint: string; keys: { p256dh: string; auth: string } };
  next(): Promise<{ payload: Record<string, unknown> }>;
}

/** What a client stores to subscribe. */
export const subscriptionValue = (
  { resource }: Pick<Subscriber, 'resource'>,
  msgtype = 'all',
): string => JSON.stringify({ client: 'test', device: 'desk', msgtype, resource });

let count = 0;

/** Subscribes and validates as a client does, over IMAP. @returns the subscription's ID */
export async function subscribe(
  client: ImapClient,
  subscriber: Subscriber,
  { id = `subscription-${process.pid}-${++count}`, msgtype = 'all' } = {},
): Promise<string> {
  const path = subscriptionPath(id);
  const answer = await client.setMetadata('', path, subscriptionValue(subscriber, msgtype));
  assert.equal(answer.status, 'OK', answer.text);
  const { payload } = await subscriber.next();
  const token = String(payload['validation']);
  await eventually(async () => {
    const validated = await client.setMetadata('', `${path}/validate`, token);
    assert.equal(validated.status, 'OK', validated.text);
    assert.match((await client.getMetadata('', [path])).get(path) ?? '', /"validated":true/);
  });
  return id;
}
