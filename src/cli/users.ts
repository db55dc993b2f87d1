import type { Static } from '@fastify/type-provider-typebox';
import type { UserView } from '../http/routes/admin/schemas.ts';
import { InvalidInputError } from '../errors.ts';
import { pathOf, userPathOf, type AdminClient } from './admin-client.ts';
import type { Command } from './command.ts';
import { formatTable } from './format-table.ts';
import { describeUser, shortTime } from './describe-user.ts';
import { findAction, type Action } from './find-action.ts';
import { forgetUser } from './forget-user.ts';
import { listAllUsers } from './list-all-users.ts';
import { printJson } from './print-json.ts';
import { ADMIN_OPTIONS, withAdminClient } from './with-admin-client.ts';

const actions: Record<string, Action> = {
  list: { names: [], run: list },
  show: { names: ['USER'], run: show },
  throttled: { names: [], run: throttled },
  unthrottle: { names: ['USER'], run: unthrottle },
  'rotate-vapid': { names: ['USER'], run: rotateVapid },
  'remove-subscription': { names: ['USER', 'ID'], run: removeSubscription },
};

/** What administrators ask about users and do for them. */
export const users: Command = {
  name: 'users',
  summary: 'show users, remove subscriptions, lift throttles, replace VAPID keys, forget users',
  usage:
    '[list | show USER | throttled | unthrottle USER | rotate-vapid USER | remove-subscription USER ID | forget USER [--force]] [--json] [--config FILE]',
  options: { ...ADMIN_OPTIONS, force: { type: 'boolean' } },
  positionals: { least: 0, most: 3 },
  run: async (call) => {
    const force = call.values['force'] === true;
    if (force && call.positionals[0] !== 'forget') {
      throw new InvalidInputError('--force goes with "users forget" only');
    }
    const forget: Action = {
      names: ['USER'],
      run: (client, json, user = '') => forgetUser(client, json, user, force),
    };
    const known = { ...actions, forget };
    const { action, names } = findAction(users, known, call.positionals, 'list');
    await withAdminClient(call, (client, json) => action.run(client, json, ...names));
    return 0;
  },
};

async function list(client: AdminClient, json: boolean): Promise<void> {
  const all = await listAllUsers(client);
  if (json) printJson({ users: all });
  else if (all.length === 0) console.log('No user has settings, subscriptions or annotations yet.');
  else {
    console.log(
      formatTable(
        ['USER', 'COI', 'FILTER', 'SUBSCRIPTIONS', 'PENDING', 'THROTTLED'],
        all.map((one) => [
          one.user,
          one.enabled ? 'enabled' : '-',
          one.messageFilter,
          one.subscriptions,
          one.pending,
          one.throttled ? `${one.throttled.state} until ${shortTime(one.throttled.until)}` : '-',
        ]),
      ),
    );
  }
}

async function show(client: AdminClient, json: boolean, user = ''): Promise<void> {
  const state = await client.call<Static<typeof UserView>>('GET', userPathOf(user));
  if (json) printJson(state);
  else console.log(describeUser(state));
}

async function throttled(client: AdminClient, json: boolean): Promise<void> {
  const reply = await client.call<{
    users: { user: string; state: string; refusals: number; until: string }[];
  }>('GET', pathOf('throttled'));
  if (json) printJson(reply);
  else if (reply.users.length === 0) console.log('Nobody is throttled.');
  else {
    console.log(
      formatTable(
        ['USER', 'STATE', 'REFUSALS', 'UNTIL'],
        reply.users.map((one) => [one.user, one.state, one.refusals, shortTime(one.until)]),
      ),
    );
  }
}

async function unthrottle(client: AdminClient, json: boolean, user = ''): Promise<void> {
  await client.call('DELETE', userPathOf(user, 'throttle'));
  if (json) printJson({ user, unthrottled: true });
  else console.log(`${user} may try again.`);
}

async function rotateVapid(client: AdminClient, json: boolean, user = ''): Promise<void> {
  const reply = await client.call<{
    publicKey: string;
    removedSubscriptions: number;
    note: string;
  }>('POST', userPathOf(user, 'vapid', 'rotate'));
  if (json) printJson(reply);
  else {
    console.log(`${reply.publicKey}\n`);
    console.log(`${reply.removedSubscriptions} subscription(s) removed. ${reply.note}`);
  }
}

async function removeSubscription(
  client: AdminClient,
  json: boolean,
  user = '',
  id = '',
): Promise<void> {
  await client.call('DELETE', userPathOf(user, 'subscriptions', id));
  if (json) printJson({ user, id, removed: true });
  else console.log(`${id} of ${user} is removed.`);
}
