import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { runCommand, type CommandResult } from '../../src/cli/demo/run-command.ts';
import { formatDcryptPrivateKey } from '../../src/dovecot/dcrypt-private-key.ts';
import { formatFileDict } from '../../src/dovecot/file-dict.ts';
import { toVapidKey } from '../../src/webpush/vapid/vapid-record.ts';
import { entry, makeKey, pluginKey, serverEntry } from '../metadata/transfer/import-rig.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import type { ImapClient } from '../support/imap-client.ts';
import { eventually, stageConfig, startStage, VENDOR, type Stage } from '../support/start-stage.ts';
import { subscribe, subscriptionPath } from '../support/subscribe.ts';
import { answerWith } from '../support/push-service.ts';
import type { UserAgent } from '../support/user-agent.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

for (const metadata of ['dict', 'doveadm'] as const) {
  describeVersions(
    `an administrator at the command line, metadata.source ${metadata}`,
    (version) => {
      let stage: Stage;
      let configFile: string;
      let user: string;
      let client: ImapClient;
      let phone: UserAgent;
      let id: string;
      const cli = (...args: string[]): Promise<CommandResult> =>
        runCommand(process.execPath, [MAIN, ...args, '--config', configFile]);

      const teardown = createTeardown();
      before(async () => {
        stage = await startStage({
          version,
          metadata,
          config: { webpush: { cache_lifetime: '1 secs' } },
        });
        teardown.defer(() => stage.close());
        const { dir } = stage.dovecot.layout;
        configFile = join(dir, 'coi-sidecar.yaml');
        const config = stageConfig(stage.dovecot, join(dir, 'ca.pem'), { metadata });
        await writeFile(configFile, JSON.stringify(config));
        user = stage.freshUser();
        client = await stage.login(user);
        phone = await stage.userAgent();
        await client.setMetadata('', `${VENDOR}/coi/config/enabled`, 'yes');
        id = await subscribe(client, phone);
      });

      it('sees the user, and after a test push its outcome', async () => {
        const list = await cli('users');
        assert.equal(list.exitCode, 0, list.stderr);
        assert.match(list.stdout, new RegExp(`^${user} +enabled +none +1 +0 +-$`, 'm'));
        const test = await cli('push-test', user);
        assert.equal(test.exitCode, 0, test.stderr + test.stdout);
        assert.match(
          test.stdout,
          new RegExp(`^${id} +validated +https://localhost:\\d+ +accepted`, 'm'),
        );
        const { payload } = await phone.next();
        assert.equal(payload['test'], true);
        assert.equal(payload['subscription'], id);
        const show = await cli('users', 'show', user);
        assert.match(
          show.stdout,
          new RegExp(`^${id} +validated +all .* 2 +0 +accepted 201 at`, 'm'),
        );
        assert.ok(!show.stdout.includes(phone.resource.keys.auth));
      });

      it('hears what the push service has against a test push, by exit code too', async () => {
        phone.answer = answerWith(500);
        const { exitCode, stdout } = await cli('push-test', user, id, '--json');
        phone.answer = answerWith(201);
        assert.equal(exitCode, 1);
        const { results } = JSON.parse(stdout) as {
          results: { verdict: string; status: number }[];
        };
        assert.deepEqual(
          results.map(({ verdict, status }) => ({ verdict, status })),
          [{ verdict: 'deferred', status: 500 }],
        );
        while (phone.waiting > 0) await phone.next();
      });

      it('removes a subscription, which is then gone for the client', async () => {
        const second = await subscribe(client, await stage.userAgent());
        const { exitCode, stderr } = await cli('users', 'remove-subscription', user, second);
        assert.equal(exitCode, 0, stderr);
        const path = subscriptionPath(second);
        assert.equal((await client.getMetadata('', [path])).get(path) ?? null, null);
      });

      it('replaces the VAPID key: the client reads the new one and has no subscriptions', async () => {
        const entry = `${VENDOR}/webpush/vapid`;
        const before = (await client.getMetadata('', [entry])).get(entry);
        const { exitCode, stdout, stderr } = await cli('users', 'rotate-vapid', user);
        assert.equal(exitCode, 0, stderr);
        await eventually(async () => {
          const now = (await client.getMetadata('', [entry])).get(entry) ?? '';
          assert.notEqual(now, before);
          assert.ok(stdout.startsWith(now.trimEnd().replaceAll('\r\n', '\n')), stdout);
        });
        const path = subscriptionPath(id);
        assert.equal((await client.getMetadata('', [path])).get(path) ?? null, null);
        await subscribe(client, await stage.userAgent());
      });

      it('is told what is wrong, by words and exit code', async () => {
        const stranger = await cli('users', 'show', 'nobody@example.org');
        assert.equal(stranger.exitCode, 1);
        assert.match(stranger.stderr, /^coi-sidecar users: nothing is known of the user/);
        const wrong = await cli('users', 'shwo');
        assert.equal(wrong.exitCode, 2);
        assert.match(wrong.stderr, /usage: coi-sidecar users/);
        if (metadata === 'doveadm') {
          const refused = await cli('export', user);
          assert.equal(refused.exitCode, 1);
          assert.match(refused.stderr, /metadata\.source is doveadm/);
        }
      });

      it(
        'brings over what the C plugin kept: its subscriptions go on with its VAPID key',
        { skip: metadata === 'doveadm' && 'Dovecot keeps the annotations itself' },
        async () => {
          const other = stage.freshUser();
          await stage.login(other);
          const agent = await stage.userAgent();
          const [status] = JSON.parse(
            (
              await stage.dovecot.runDoveadm([
                '-f',
                'json',
                'mailbox',
                'status',
                '-u',
                other,
                'guid',
                'INBOX',
              ])
            ).stdout,
          ) as { guid: string }[];
          const inbox = status?.guid ?? '';
          const key = makeKey();
          const file = join(stage.dovecot.layout.dir, other);
          await writeFile(
            file,
            formatFileDict([
              entry(serverEntry('coi/config/enabled', inbox), 'yes'),
              entry(
                pluginKey('subscriptions/from-the-plugin', inbox),
                JSON.stringify({
                  ...{
                    created: '2020-01-01T00:00:00+00:00',
                    client: 'c',
                    device: 'd',
                    msgtype: 'any',
                  },
                  resource: agent.resource,
                }),
              ),
              entry(pluginKey('vapid_private_key', inbox), formatDcryptPrivateKey(key)),
            ]),
          );
          const { exitCode, stdout, stderr } = await cli('import', '--file', file, other);
          assert.equal(exitCode, 0, stderr + stdout);
          assert.match(stdout, /^VAPID keys +1 +0 +0 +0$/m);
          const message = 'From: a@example.org\r\nSubject: Hello\r\n\r\nHi\r\n';
          await deliver(stage.dovecot.lmtp, 'a@example.org', [other], message);
          const push = await agent.next();
          assert.equal(push.payload['subject'], 'Hello');
          const publicPoint = toVapidKey(key).publicPoint.toString('base64url');
          assert.ok(push.headers.authorization?.includes(`k=${publicPoint}`));
          const exported = join(stage.dovecot.layout.dir, `${other}.exported`);
          assert.equal((await cli('export', '--file', exported, other)).exitCode, 0);
          assert.equal(await readFile(exported, 'utf8'), await readFile(file, 'utf8'));
        },
      );

      it('has the caches dropped', async () => {
        assert.equal((await cli('reload')).exitCode, 0);
      });

      it('is told that the service is not running', async () => {
        await stage.app.stop();
        const { exitCode, stderr } = await cli('outbox');
        await stage.restart();
        assert.equal(exitCode, 1);
        assert.match(
          stderr,
          /^coi-sidecar outbox: no service answers at http:\/\/127\.0\.0\.1:\d+/,
        );
      });

      it('leaves Dovecot’s log clean', () => {
        // On a machine that is busy enough an event may be late, which loses nothing and is said.
        const unexpected = stage.dovecot
          .errors()
          .filter((line) => !/: they wait in the event log$/.test(line));
        assert.deepEqual(unexpected, []);
      });
    },
  );
}
