import type { Static } from '@fastify/type-provider-typebox';
import type { PushView } from '../http/routes/admin/schemas.ts';
import { InvalidInputError } from '../errors.ts';
import { pathOf, type AdminClient } from './admin-client.ts';
import type { Command } from './command.ts';
import { shortTime } from './describe-user.ts';
import { findAction, type Action } from './find-action.ts';
import { formatTable } from './format-table.ts';
import { printJson } from './print-json.ts';
import { ADMIN_OPTIONS, withAdminClient } from './with-admin-client.ts';

type Push = Static<typeof PushView>;

const PAGE = '1000';

const actions: Record<string, Action> = {
  list: { names: [], run: list },
  drop: { names: ['ID'], run: drop },
};

/** The pushes that are owed. */
export const outbox: Command = {
  name: 'outbox',
  summary: 'list the pushes that are owed, or drop one',
  usage: '[list | drop ID] [--json] [--config FILE]',
  options: ADMIN_OPTIONS,
  positionals: { least: 0, most: 2 },
  run: async (call) => {
    const { action, names } = findAction(outbox, actions, call.positionals, 'list');
    await withAdminClient(call, (client, json) => action.run(client, json, ...names));
    return 0;
  },
};

async function list(client: AdminClient, json: boolean): Promise<void> {
  const all: Push[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: { pushes: Push[]; next?: number } = await client.call('GET', pathOf('outbox'), {
      query: { limit: PAGE, after: String(after) },
    });
    all.push(...page.pushes);
    after = page.next;
  }
  if (json) printJson({ pushes: all });
  else if (all.length === 0) console.log('No push is owed.');
  else {
    console.log(
      formatTable(
        ['ID', 'USER', 'SUBSCRIPTION', 'KIND', 'SERVICE', 'CREATED', 'EXPIRES', 'TRIED', 'NEXT'],
        all.map((push) => [
          push.id,
          push.user,
          push.subscription,
          push.kind,
          push.origin,
          shortTime(push.created),
          shortTime(push.expires),
          push.attempts,
          push.nextAttempt === undefined ? 'now' : shortTime(push.nextAttempt),
        ]),
      ),
    );
  }
}

async function drop(client: AdminClient, json: boolean, id = ''): Promise<void> {
  if (!/^[1-9]\d{0,15}$/.test(id)) throw new InvalidInputError(`"${id}" is not the id of a push`);
  await client.call('DELETE', pathOf('outbox', id));
  if (json) printJson({ id: Number(id), dropped: true });
  else console.log(`Push ${id} is owed no longer.`);
}
