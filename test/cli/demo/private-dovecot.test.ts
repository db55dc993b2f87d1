import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { deliver } from '../../../src/cli/demo/lmtp-client.ts';
import { startPrivateDovecot } from '../../../src/cli/demo/private-dovecot.ts';
import { UnavailableError } from '../../../src/errors.ts';
import { dovecotVersions } from '../../support/dovecot-versions.ts';
import { ImapClient } from '../../support/imap-client.ts';

const MAIL = 'From: bob@example.org\nSubject: x\n\nHi\n';

/** Processes that name a directory in their command line. */
async function processesOf(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(dir)) found.push(command.replaceAll('\0', ' '));
  }
  return found;
}

for (const { version, skip } of dovecotVersions) {
  describe(`a private Dovecot ${version}`, { skip }, () => {
    test('several at a time do not know of each other, and stop() leaves nothing', async () => {
      const start = performance.now();
      const [one, two] = await Promise.all([
        startPrivateDovecot({ version, events: 'none' }),
        startPrivateDovecot({ version, events: 'none', mailDriver: 'sdbox' }),
      ]);
      assert.ok(performance.now() - start < 2_000, `${performance.now() - start} ms`);
      await deliver(one.lmtp, 'bob@example.org', ['alice'], MAIL);
      const imap = await ImapClient.open(two.imap, { user: 'alice', password: two.password });
      assert.deepEqual((await imap.ok('STATUS INBOX (MESSAGES)')).untagged, [
        'STATUS INBOX (MESSAGES 0)',
      ]);
      assert.match(
        (await one.runDoveadm(['mailbox', 'status', '-u', 'alice', 'messages', 'INBOX'])).stdout,
        /messages=1/,
      );
      await one.stop();
      assert.equal((await imap.ok('NOOP')).status, 'OK');
      await two.stop(); // with a client logged in
      for (const { layout } of [one, two]) {
        assert.ok(!existsSync(layout.dir));
        assert.deepEqual(await processesOf(layout.dir), []);
      }
    });

    test('users: only these may log in and get mail', async () => {
      const dovecot = await startPrivateDovecot({ version, events: 'none', users: ['alice'] });
      const { replies } = await deliver(dovecot.lmtp, 'b@example.org', ['alice', 'mallory'], MAIL);
      assert.deepEqual(replies.map(({ recipient, code }) => [recipient, code]).sort(), [
        ['alice', 250],
        ['mallory', 550],
      ]);
      const imap = await ImapClient.open(dovecot.imap);
      assert.equal((await imap.command('LOGIN mallory secret')).status, 'NO');
      assert.equal((await imap.command('LOGIN alice secret')).status, 'OK');
      await imap.close();
      await dovecot.stop();
    });

    test('reconfigure() takes effect for new connections', async () => {
      const dovecot = await startPrivateDovecot({ version, events: 'none' });
      await dovecot.reconfigure('login_greeting = changed');
      let greeted = '';
      for (let i = 0; i < 100 && !greeted.includes('changed'); i++) {
        await sleep(20);
        const imap = await ImapClient.open(dovecot.imap);
        greeted = imap.greeting;
        await imap.close();
      }
      assert.match(greeted, /changed/);
      await dovecot.stop();
    });

    test('a configuration that Dovecot refuses is an error that shows why, and leaves nothing', async () => {
      const extraConfig = 'nonsense_setting = 1';
      // A place of its own: other tests make directories beside ours at any time.
      const place = await mkdtemp(join(tmpdir(), 'coi-refused-'));
      await chmod(place, 0o755);
      const usual = process.env['TMPDIR'];
      process.env['TMPDIR'] = place;
      try {
        await assert.rejects(
          startPrivateDovecot({ version, events: 'none', classify: 'none', extraConfig }),
          (error) => error instanceof UnavailableError && /nonsense_setting/.test(error.message),
        );
      } finally {
        if (usual === undefined) delete process.env['TMPDIR'];
        else process.env['TMPDIR'] = usual;
      }
      assert.deepEqual(await readdir(place), []);
      await rm(place, { recursive: true });
    });

    test('it goes when the process that started it is killed', async () => {
      const module = new URL('../../../src/cli/demo/private-dovecot.ts', import.meta.url).href;
      const child = spawn(
        process.execPath,
        [
          '--input-type=module',
          '-e',
          `import { startPrivateDovecot } from '${module}';
           const dovecot = await startPrivateDovecot({ version: '${version}', events: 'none' });
           console.log(dovecot.layout.dir);
           setInterval(() => {}, 1000);`,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const dir = line.toString().trim();
      assert.ok((await processesOf(dir)).length > 0);
      child.kill('SIGKILL');
      for (let i = 0; i < 150 && (await processesOf(dir)).length > 0; i++) await sleep(20);
      assert.deepEqual(await processesOf(dir), []);
    });
  });
}
