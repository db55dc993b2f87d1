import { readFile } from 'node:fs/promises';
import { openDoveadm, type DoveadmClient } from '../dovecot/doveadm-client.ts';
import { expandPathTemplate } from '../dovecot/expand-path-template.ts';
import { formatFileDict } from '../dovecot/file-dict.ts';
import { findHome } from '../dovecot/find-home.ts';
import { createReadAllAnnotations } from '../dovecot/read-all-annotations.ts';
import { InvalidInputError } from '../errors.ts';
import type { ImportReport } from '../metadata/transfer/import-report.ts';
import { userPathOf, type AdminClient } from './admin-client.ts';
import type { Command, CommandCall } from './command.ts';
import { forEachUser } from './for-each-user.ts';
import { ImportSummary } from './import-summary.ts';
import { printJson } from './print-json.ts';
import { readConfigOption } from './read-config-option.ts';
import { readUserNames } from './read-user-names.ts';
import { ADMIN_OPTIONS, withAdminClient } from './with-admin-client.ts';

/** One user's dict as a file, or undefined when there is none. */
interface Source {
  (
    user: string,
  ): Promise<{ file: Buffer; problems: { key: string; reason: string }[] } | undefined>;
}

/** Takes in what users have in another attribute dict; the service runs meanwhile. */
export const importCommand: Command = {
  name: 'import',
  summary: "take in annotations from Dovecot's own attribute dict",
  usage:
    '(--file TEMPLATE | --doveadm) (USER… | --users-from FILE) [--dry-run] [--overwrite] [--json] [--config FILE]',
  options: {
    ...ADMIN_OPTIONS,
    file: { type: 'string', short: 'f' },
    doveadm: { type: 'boolean' },
    'users-from': { type: 'string' },
    'dry-run': { type: 'boolean', short: 'n' },
    overwrite: { type: 'boolean' },
  },
  positionals: { least: 0, most: Infinity },
  run: async (call) => {
    const { values, positionals } = call;
    if ((typeof values['file'] === 'string') === (values['doveadm'] === true)) {
      throw new InvalidInputError('give either --file with the path of the dicts, or --doveadm');
    }
    const users = await readUserNames(positionals, values['users-from']);
    if (users.length === 0)
      throw new InvalidInputError('name the users, or give --users-from FILE');
    const doveadm = openDoveadm(readConfigOption(call).doveadm);
    const source =
      typeof values['file'] === 'string' ? fromFile(values['file'], doveadm) : fromDoveadm(doveadm);
    try {
      return await withAdminClient(call, (client, json) => run(call, client, json, users, source));
    } finally {
      await doveadm.close();
    }
  },
};

async function run(
  { values }: CommandCall,
  client: AdminClient,
  json: boolean,
  users: readonly string[],
  source: Source,
): Promise<number> {
  const summary = new ImportSummary(values['dry-run'] === true);
  const query = {
    'dry-run': values['dry-run'] === true ? 'true' : undefined,
    overwrite: values['overwrite'] === true ? 'true' : undefined,
  };
  const failures = await forEachUser(users, async (user) => {
    const path = userPathOf(user, 'annotations');
    const dict = await source(user);
    if (dict === undefined) {
      summary.addMissing(user);
      return;
    }
    const report = await client.call<ImportReport>('POST', path, { query, body: dict.file });
    report.skipped += dict.problems.length;
    report.skippedEntries.push(...dict.problems);
    summary.add(report);
  });
  if (json) printJson({ ...summary.toJson(), failures });
  else console.log(summary.describe(failures));
  return failures.length > 0 || summary.users === 0 ? 1 : 0;
}

const fromFile =
  (template: string, doveadm: DoveadmClient): Source =>
  async (user) => {
    const path = await expandPathTemplate(template, user, (name) => findHome(doveadm, name));
    try {
      return { file: await readFile(path), problems: [] };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };

function fromDoveadm(doveadm: DoveadmClient): Source {
  const read = createReadAllAnnotations(doveadm);
  return async (user) => {
    const { entries, problems } = await read(user);
    return { file: formatFileDict(entries), problems };
  };
}
