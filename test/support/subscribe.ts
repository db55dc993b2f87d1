import assert from 'node:assert/strict';
import type { ImapClient } from './imap-client.ts';
import type { UserAgent } from './scripted-push-service.ts';
import { eventually, VENDOR } from './start-stage.ts';

export const subscriptionPath = (id: string): string => `${VENDOR}/webpush/subscriptions/${id}`;

/** What a client stores to subscribe. */
export const subscriptionValue = (
  { resource }: Pick<UserAgent, 'resource'>,
  msgtype = 'all',
): string => JSON.stringify({ client: 'test', device: 'desk', msgtype, resource });

let count = 0;

/** Subscribes and validates as a client does, over IMAP. @returns the subscription's ID */
export async function subscribe(
  client: ImapClient,
  agent: UserAgent,
  { id = `subscription-${process.pid}-${++count}`, msgtype = 'all' } = {},
): Promise<string> {
  const path = subscriptionPath(id);
  const answer = await client.setMetadata('', path, subscriptionValue(agent, msgtype));
  assert.equal(answer.status, 'OK', answer.text);
  const { payload } = await agent.next();
  await eventually(async () => {
    const validated = await client.setMetadata(
      '',
      `${path}/validate`,
      String(payload['validation']),
    );
    assert.equal(validated.status, 'OK', validated.text);
    assert.match((await client.getMetadata('', [path])).get(path) ?? '', /"validated":true/);
  });
  return id;
}
