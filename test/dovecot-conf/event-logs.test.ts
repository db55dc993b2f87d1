import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { chat, deliverTo, ENABLED, FILTER, set, subscribe } from '../e2e/conformance/steps.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import { notRoot } from '../support/unprivileged.ts';
import type { UserAgent } from '../support/user-agent.ts';

/** System users with a log each; no group of theirs but their own, as `useradd` makes them. */
const USERS = [
  { name: 'carol@example.org', uid: 23_501 },
  { name: 'dave@example.org', uid: 23_502 },
];
/** Its processes have the group that may pass the directory from the userdb. */
const ERIN = { name: 'erin@example.org', uid: 23_503 };
/** What every mail process comes with, as coi-mail for an admin: the group that the directory has here. */
const ACCESS = 'mail_access_groups = mail\n';

const userDatabase = (version: string, file: string): string =>
  version === '2.3'
    ? `passdb {\n  driver = passwd-file\n  args = ${file}\n}\nuserdb {\n  driver = passwd-file\n  args = ${file}\n}\n`
    : `passdb system-users {\n  driver = passwd-file\n  passwd_file_path = ${file}\n}\nuserdb system-users {\n  driver = passwd-file\n  passwd_file_path = ${file}\n}\n`;

describeVersions(
  'users with system accounts of their own, and their event logs',
  (version) => {
    let stage: Stage;
    const agents = new Map<string, UserAgent>();
    const teardown = createTeardown();
    before(async () => {
      stage = await startStage({ version, users: ['nobody-else@example.org'] });
      teardown.defer(() => stage.close());
      const { dovecot } = stage;
      const all = [
        ...USERS.map((user) => ({ ...user, gid: user.uid })),
        { ...ERIN, gid: dovecot.mailGid },
      ];
      const line = ({ name, uid, gid }: (typeof all)[number]): string =>
        `${name}:{PLAIN}${dovecot.password}:${uid}:${gid}::${join(dovecot.layout.mailDir, name)}::\n`;
      const file = join(dovecot.layout.dir, 'system-users');
      await writeFile(file, all.map(line).join(''), { mode: 0o644 });
      for (const { name, uid, gid } of all) {
        const home = join(dovecot.layout.mailDir, name);
        await mkdir(home, { mode: 0o700 });
        await chown(home, uid, gid);
      }
      await dovecot.reconfigure(ACCESS + userDatabase(version, file));
      // What dovecot-lda writes itself where root does not start it; elsewhere that is syslog.
      await chmod(dovecot.layout.logFile, 0o666);
      for (const { name } of all) {
        const client = await eventually(() => stage.login(name));
        await set(client, FILTER, 'active');
        await set(client, ENABLED, 'yes');
        const agent = await stage.userAgent();
        await subscribe(client, agent);
        agents.set(name, agent);
      }
    });
    const folderOfNext = async (name: string): Promise<unknown> =>
      (await agents.get(name)!.next(30_000)).payload['folder'];
    const logOf = (uid: number): string => join(stage.dovecot.eventsDir, String(uid), 'log');

    test('each has a log that the other cannot open, made when the service heard of them', async () => {
      for (const { name } of USERS) {
        await deliverTo(stage, name, chat());
        assert.equal(await folderOfNext(name), 'COI/Chats');
      }
      for (const { uid } of USERS) {
        assert.equal((await eventually(() => stat(logOf(uid)))).uid, 0);
        for (const other of USERS) {
          const become = ['--reuid', String(other.uid), '--regid', String(stage.dovecot.mailGid)];
          const write = ['sh', '-c', 'echo >>"$0"', logOf(uid)];
          const ran = await runCommand('setpriv', [...become, '--clear-groups', ...write]);
          assert.equal(ran.exitCode === 0, other.uid === uid, `${other.uid} in the log of ${uid}`);
        }
      }
    });

    test('chat is delivered while the service is away, and pushed when it is back', async () => {
      await stage.app.stop();
      for (const { name, uid } of USERS) {
        await deliverTo(stage, name, chat());
        assert.match(await readFile(logOf(uid), 'utf8'), RegExp(`"user":"${name}"`));
      }
      await stage.restart();
      for (const { name } of USERS) assert.equal(await folderOfNext(name), 'COI/Chats');
    });

    test('dovecot-lda that the MTA starts leaves its events there if its group may', async () => {
      const release = await findDovecotRelease(version);
      const lda = async ({ name, uid }: (typeof USERS)[number], gid: number) => {
        const become = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
        const program = ['/usr/lib/dovecot/dovecot-lda', '-c', stage.dovecot.layout.configFile];
        const options = ['-d', name, '-f', 'alice@example.org'];
        const { exitCode, stderr } = await runCommand(
          ...release!.commandLine('setpriv', [...become, ...program, ...options]),
          { input: chat() },
        );
        assert.equal(exitCode, 0, stderr);
        return stage.dovecot.errors().filter((line) => /coi: /.test(line));
      };
      const [, dave] = USERS as [(typeof USERS)[0], (typeof USERS)[0]];
      await deliverTo(stage, ERIN.name, chat());
      await folderOfNext(ERIN.name);
      await stage.app.stop();
      const kept = (await lda(ERIN, stage.dovecot.mailGid)).at(-1) ?? '';
      assert.match(kept, /erin.*: they wait in the event log$/);
      const lost = (await lda(dave, dave.uid)).at(-1) ?? '';
      assert.match(lost, /dave.*\/log: Permission denied\): they are lost/);
      await stage.restart();
      assert.equal(await folderOfNext(ERIN.name), 'COI/Chats');
    });
  },
  notRoot,
);
