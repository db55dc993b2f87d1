import type { Static } from '@fastify/type-provider-typebox';
import type { ForgottenView } from '../http/routes/admin/schemas.ts';
import { userPathOf, type AdminClient } from './admin-client.ts';
import { printJson } from './print-json.ts';

/** `coi-sidecar users forget USER [--force]`, with what was removed. */
export async function forgetUser(
  client: AdminClient,
  json: boolean,
  user: string,
  force: boolean,
): Promise<void> {
  const query = { force: force ? 'true' : undefined };
  const path = userPathOf(user);
  const forgotten = await client.call<Static<typeof ForgottenView>>('DELETE', path, { query });
  if (json) printJson(forgotten);
  else console.log(describe(forgotten));
}

function describe({ user, note, ...counts }: Static<typeof ForgottenView>): string {
  const found = [
    [counts.subscriptions, 'subscription(s)'],
    [counts.vapidKeys, 'VAPID key(s)'],
    [counts.annotations, 'setting(s) and annotation(s)'],
    [counts.pushes, 'push(es) that were owed'],
    [counts.spooledEvents, 'event(s) that waited'],
    [counts.rawlogs, 'rawlog(s)'],
  ].filter(([count]) => count !== 0);
  const removed = found.map(([count, what]) => `${count} ${what}`).join(', ');
  const result =
    removed === '' ? `Nothing is kept of ${user}.` : `${user} is forgotten. Removed: ${removed}.`;
  return note === undefined ? result : `${result}\n${note}`;
}
