import { openDoveadm } from '../dovecot/doveadm-client.ts';
import { expandPathTemplate } from '../dovecot/expand-path-template.ts';
import { findHome } from '../dovecot/find-home.ts';
import { InvalidInputError } from '../errors.ts';
import { userPathOf, type AdminClient } from './admin-client.ts';
import type { Command, CommandCall } from './command.ts';
import { forEachUser } from './for-each-user.ts';
import { printable } from './format-table.ts';
import { listAllUsers } from './list-all-users.ts';
import { printJson } from './print-json.ts';
import { readConfigOption } from './read-config-option.ts';
import { readUserNames } from './read-user-names.ts';
import { ADMIN_OPTIONS, withAdminClient } from './with-admin-client.ts';
import { writePrivateFile } from './write-private-file.ts';

/** Writes users' annotations as dicts of Dovecot's own; the service runs meanwhile. */
export const exportCommand: Command = {
  name: 'export',
  summary: "write annotations as files of Dovecot's own attribute dict",
  usage:
    '(USER | --file TEMPLATE (USER… | --users-from FILE | --all)) [--overwrite] [--json] [--config FILE]',
  options: {
    ...ADMIN_OPTIONS,
    file: { type: 'string', short: 'f' },
    all: { type: 'boolean' },
    'users-from': { type: 'string' },
    overwrite: { type: 'boolean' },
  },
  positionals: { least: 0, most: Infinity },
  run: (call) =>
    withAdminClient(call, async (client, json) => {
      const users = await chooseUsers(call, client);
      const template = call.values['file'];
      if (typeof template === 'string') return writeFiles(call, client, json, users, template);
      const [user] = users;
      if (user === undefined || users.length > 1 || json) {
        throw new InvalidInputError('without --file, one user is written to standard output');
      }
      process.stdout.write(await client.fetch(userPathOf(user, 'annotations')));
      return 0;
    }),
};

async function chooseUsers(
  { values, positionals }: CommandCall,
  client: AdminClient,
): Promise<string[]> {
  const named = await readUserNames(positionals, values['users-from']);
  if (values['all'] !== true) {
    if (named.length > 0) return named;
    throw new InvalidInputError('name the users, or give --users-from FILE or --all');
  }
  if (named.length > 0) throw new InvalidInputError('give users or --all, not both');
  return (await listAllUsers(client)).map(({ user }) => user);
}

async function writeFiles(
  call: CommandCall,
  client: AdminClient,
  json: boolean,
  users: readonly string[],
  template: string,
): Promise<number> {
  const doveadm = openDoveadm(readConfigOption(call).doveadm);
  const written: { user: string; path: string }[] = [];
  const failures = await forEachUser(users, async (user) => {
    const source = userPathOf(user, 'annotations');
    const path = await expandPathTemplate(template, user, (name) => findHome(doveadm, name));
    const file = await client.fetch(source);
    await writePrivateFile(path, file, { overwrite: call.values['overwrite'] === true });
    written.push({ user, path });
  }).finally(() => doveadm.close());
  if (json) printJson({ written, failures });
  else {
    for (const { user, reason } of failures) console.error(printable(`${user}: ${reason}`));
    console.log(`${written.length} user(s) written, ${failures.length} failed`);
  }
  return failures.length > 0 ? 1 : 0;
}
