import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { exportCommand } from '../../src/cli/export.ts';
import { importCommand } from '../../src/cli/import.ts';
import { formatFileDict } from '../../src/dovecot/file-dict.ts';
import { InvalidInputError } from '../../src/errors.ts';
import { ADMIN_TOKEN, createAdminRig, INBOX } from '../http/admin-rig.ts';
import {
  entry,
  pluginKey,
  pluginSubscription,
  serverEntry,
} from '../metadata/transfer/import-rig.ts';
import { ID } from '../webpush/subscriptions/subscription-fixtures.ts';
import { runInProcess, writeConfig, type ConfigFile } from './run-command.ts';
import { createTeardown } from '../support/create-teardown.ts';

const users = ['alice@example.org', 'bob@example.org', 'carol@example.net'];

const dictOf = (user: string): Buffer =>
  formatFileDict([
    entry(`priv/${INBOX}/comment`, `of ${user}\xff\n`),
    entry(serverEntry('coi/config/enabled'), 'yes'),
    entry(serverEntry('coi/config/message-filter'), user.startsWith('a') ? 'active' : 'bad\u001b'),
    entry(pluginKey(`subscriptions/${ID}`), pluginSubscription()),
  ]);

describe('coi-sidecar import and export', () => {
  let rig: ReturnType<typeof createAdminRig>;
  let config: ConfigFile;
  let template: string;
  const runImport = (...args: string[]) =>
    runInProcess(importCommand, [...args, '--config', config.path]);
  const runExport = (...args: string[]) =>
    runInProcess(exportCommand, [...args, '--config', config.path]);

  const teardown = createTeardown();
  before(async () => {
    rig = createAdminRig();
    teardown.defer(() => rig.app.close());
    const url = await rig.app.listen({ host: '127.0.0.1', port: 0 });
    config = teardown.use(await writeConfig(new URL(url).host, ADMIN_TOKEN));
    template = join(config.dir, 'in', '%d', '%n');
    for (const user of users) {
      const [name = '', domain = ''] = user.split('@');
      const path = join(config.dir, 'in', domain, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, dictOf(user));
    }
  });

  it('says in a dry run what would happen, and changes nothing', async () => {
    const { code, stdout } = await runImport('--file', template, '--dry-run', ...users);
    assert.equal(code, 0);
    assert.match(stdout, /^WOULD BE +ADDED +CHANGED +UNCHANGED +KEPT$/m);
    assert.match(stdout, /^annotations +3 +0 +0 +0$/m);
    assert.equal(rig.store.commits.length, 0);
  });

  it('takes in files of users that are listed in a file, and names what it left out', async () => {
    const list = join(config.dir, 'users');
    await writeFile(list, `${users.join('\n')}\nnobody@example.org\n\n`);
    const { code, stdout } = await runImport('--file', template, '--users-from', list);
    assert.equal(code, 0);
    assert.match(stdout, /^WERE +ADDED/m);
    assert.match(stdout, /^settings +4 +0 +0 +0$/m);
    assert.match(stdout, /^subscriptions +3 +0 +0 +0$/m);
    assert.match(stdout, /3 user\(s\), 1 without a dict, 0 failed/);
    assert.match(
      stdout,
      /bob@example\.org: left out .*message-filter: .*allowed: none, active, seen/,
    );
    assert.ok(!stdout.includes('\u001b'));
  });

  it('changes nothing the second time', async () => {
    const commits = rig.store.commits.length;
    const { stdout } = await runImport('--file', template, '--json', ...users);
    assert.equal(rig.store.commits.length, commits);
    const { totals } = JSON.parse(stdout) as { totals: Record<string, Record<string, number>> };
    assert.deepEqual(totals['annotations'], { added: 0, changed: 0, unchanged: 3, kept: 0 });
    assert.deepEqual(totals['subscriptions'], { added: 0, changed: 0, unchanged: 3, kept: 0 });
  });

  it('explains what was kept, and overwrites when told to', async () => {
    const [user = ''] = users;
    const key = `priv/${INBOX}/comment`;
    const value = Buffer.from('newer');
    await rig.store.commit(user, [{ op: 'set', key, value }]);
    const kept = await runImport('--file', template, user);
    assert.match(kept.stdout, /^annotations +0 +0 +0 +1$/m);
    assert.match(kept.stdout, /--overwrite/);
    assert.deepEqual(await rig.store.get(user, key), value);
    assert.match(
      (await runImport('--file', template, '--overwrite', user)).stdout,
      /^annotations +0 +1/m,
    );
    assert.notDeepEqual(await rig.store.get(user, key), value);
  });

  it('goes on with the others when one fails, and exits with 1', async () => {
    await mkdir(join(config.dir, 'in', 'example.org', 'directory'), { recursive: true });
    const { code, stdout } = await runImport('-f', template, 'directory@example.org', ...users);
    assert.equal(code, 1);
    assert.match(stdout, /3 user\(s\), 0 without a dict, 1 failed/);
    assert.match(stdout, /directory@example\.org: failed: EISDIR/);
  });

  it('exits with 1 when there is not a single dict: the path is wrong', async () => {
    const { code, stdout } = await runImport('--file', '/nonexistent/%u', ...users);
    assert.equal(code, 1);
    assert.match(stdout, /0 user\(s\), 3 without a dict/);
  });

  it('exports every user into files that an import finds unchanged', async () => {
    const out = join(config.dir, '%u.dict');
    const { code, stdout } = await runExport('--file', out, '--all');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /3 user\(s\) written, 0 failed/);
    const [user = ''] = users;
    const original = dictOf(user).toString('latin1');
    assert.equal(await readFile(join(config.dir, `${user}.dict`), 'latin1'), original);
    const again = await runImport('--file', out, '--json', ...users);
    const { totals } = JSON.parse(again.stdout) as { totals: Record<string, { added: number }> };
    for (const tally of Object.values(totals)) assert.equal(tally.added, 0);
  });

  it('does not take the place of files unless told to', async () => {
    const out = join(config.dir, '%u.dict');
    const refused = await runExport('--file', out, ...users);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /carol@example\.net: .*exists already; --overwrite/);
    const { code, stdout } = await runExport('--file', out, '--overwrite', '--json', ...users);
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { written: unknown[] }).written.length, 3);
    assert.deepEqual(
      (await readdir(config.dir)).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('writes nowhere else than the template says', async () => {
    const { code, stderr } = await runExport(
      '--file',
      join(config.dir, 'out', '%u'),
      '../../etc/x',
    );
    assert.equal(code, 1);
    assert.match(stderr, /cannot stand in a path/);
  });

  const wrong: [name: string, run: () => Promise<unknown>][] = [
    ['import without a source', () => runImport('bob')],
    ['import with two sources', () => runImport('--file', '/x', '--doveadm', 'bob')],
    ['import without users', () => runImport('--file', '/x/%u')],
    ['import with users twice', () => runImport('--file', '/x/%u', '--users-from', '-', 'bob')],
    [
      'import of users from nowhere',
      () => runImport('--file', '/x/%u', '--users-from', '/nonexistent'),
    ],
    ['export without users', () => runExport('--file', '/x/%u')],
    ['export of several users to standard output', () => runExport('bob', 'alice')],
    ['export of all and some', () => runExport('--file', '/x/%u', '--all', 'bob')],
  ];
  for (const [name, run] of wrong) {
    it(`refuses ${name} as called wrongly`, () => assert.rejects(run, InvalidInputError));
  }
});
