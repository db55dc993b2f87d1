import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { type PrivateDovecot, startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { startDictStandIn } from '../support/dict-stand-in.ts';
import { doveadmRequest } from '../support/doveadm-request.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { ImapClient } from '../support/imap-client.ts';
import {
  type RecordingHttpServer,
  startRecordingHttpServer,
} from '../support/recording-http-server.ts';
import { startScriptStandIn } from '../support/script-stand-in.ts';

const SHIPPED = fileURLToPath(new URL('../../dovecot-conf', import.meta.url));
const ENABLED = '/private/vendor/vendor.dovecot/coi/config/enabled';

test('both versions have the same snippets', async () => {
  const names = (await readdir(join(SHIPPED, '2.3'))).sort();
  assert.deepEqual((await readdir(join(SHIPPED, '2.4'))).sort(), names);
  assert.ok(names.length >= 8);
});

for (const { version, skip } of dovecotVersions) {
  describe(`dovecot-conf/${version}`, { skip }, () => {
    for (const choice of [
      ['metadata-dict', 'classify-socket', 'events'],
      ['metadata-doveadm', 'classify-http', 'events-ox'],
    ]) {
      test(`the files as they are (${choice.join(', ')}) are accepted`, async () => {
        const release = await findDovecotRelease(version);
        const dir = await mkdtemp(join(tmpdir(), 'coi-dc-'));
        const names = (await readdir(join(SHIPPED, version))).filter(
          (name) =>
            !/classify|metadata|events/.test(name) ||
            choice.some((chosen) => name === `95-coi-${chosen}.conf`),
        );
        let text =
          version === '2.4'
            ? 'dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\nssl = no\n'
            : 'ssl = no\n';
        for (const name of names) text += await readFile(join(SHIPPED, version, name), 'utf8');
        // 2.4 wants to see the Lua script.
        await writeFile(join(dir, 'coi.lua'), '');
        await writeFile(
          join(dir, 'dovecot.conf'),
          text.replaceAll('/etc/dovecot/coi/coi.lua', join(dir, 'coi.lua')),
        );
        const { exitCode, stdout, stderr } = await runCommand(
          ...release!.commandLine('doveconf', ['-n', '-c', join(dir, 'dovecot.conf')]),
        );
        await rm(dir, { recursive: true });
        assert.equal(
          stderr.replaceAll(/^.*(Warning: NOTE: You can get|Obsolete).*$/gm, '').trim(),
          '',
        );
        assert.equal(exitCode, 0);
        assert.match(stdout, /COI/);
      });
    }

    describe('metadata-doveadm, notices, capability, doveadm-api', () => {
      let http: RecordingHttpServer;
      let dovecot: PrivateDovecot;
      const teardown = createTeardown();
      before(async () => {
        http = teardown.use(await startRecordingHttpServer());
        dovecot = await startPrivateDovecot({
          version,
          metadata: 'doveadm',
          classify: 'none',
          events: 'none',
          sidecar: { url: http.url, token: 'a-token' },
        });
        teardown.defer(() => dovecot.stop());
        const isWanted = /Invalid authentication attempt to HTTP API/;
        teardown.defer(() => {
          const others = dovecot.errors().filter((line) => !isWanted.test(line));
          assert.deepEqual(others, []);
        });
      });
      const login = async (user: string): Promise<ImapClient> => {
        const client = await ImapClient.open(dovecot.imap, { user, password: dovecot.password });
        await client.ok('STATUS INBOX (UIDVALIDITY)');
        return client;
      };

      test('CAPABILITY names COI and WEBPUSH after login, and not before', async () => {
        const words = async (client: ImapClient): Promise<string[]> =>
          (await client.ok('CAPABILITY')).untagged[0]!.split(' ');
        const imap = await ImapClient.open(dovecot.imap);
        const before = await words(imap);
        assert.ok(before.includes('IMAP4rev1') && before.includes('AUTH=PLAIN'), before.join(' '));
        assert.ok(!before.includes('COI') && !before.includes('WEBPUSH'), before.join(' '));
        await imap.ok(`LOGIN alice ${dovecot.password}`);
        const afterwards = await words(imap);
        for (const word of ['COI', 'WEBPUSH', 'METADATA', 'IDLE', 'NOTIFY', 'QRESYNC', 'BINARY']) {
          assert.ok(afterwards.includes(word), `${word}: ${afterwards.join(' ')}`);
        }
        await imap.close();
      });

      test('SETMETADATA is kept by Dovecot and told, with the token as Basic password, without values', async () => {
        const imap = await login('bob');
        assert.equal((await imap.setMetadata('', ENABLED, 'a-value')).status, 'OK');
        const { path, headers, body } = await http.take();
        assert.equal(path, '/v1/imap-commands');
        assert.equal(
          headers.authorization,
          `Basic ${Buffer.from('dovecot:a-token').toString('base64')}`,
        );
        const notice = JSON.parse(body.toString('utf8')) as {
          event: string;
          fields: Record<string, unknown>;
        };
        assert.equal(notice.event, 'imap_command_finished');
        const { user, cmd_name: command, tagged_reply_state: state } = notice.fields;
        assert.deepEqual(
          { user, command, state },
          { user: 'bob', command: 'SETMETADATA', state: 'OK' },
        );
        assert.ok(!body.includes('a-value'));
        assert.deepEqual([...(await imap.getMetadata('', [ENABLED]))], [[ENABLED, 'a-value']]);
        assert.match((await http.take()).body.toString(), /"cmd_name":"GETMETADATA"/);
        await imap.close();
      });

      test('other commands are not told', async () => {
        const imap = await login('carol');
        await imap.ok('CREATE other');
        await imap.ok('SELECT INBOX');
        await imap.setMetadata('', ENABLED, 'last'); // whatever came before would be before this
        const notice = JSON.parse((await http.take()).body.toString('utf8')) as {
          fields: Record<string, unknown>;
        };
        assert.equal(notice.fields['user'], 'carol');
        assert.equal(notice.fields['cmd_name'], 'SETMETADATA');
        await imap.close();
      });

      test('the doveadm API reads what a client set, and the other way round', async () => {
        const imap = await login('dave');
        await imap.setMetadata('', ENABLED, 'yes');
        const entry = { user: 'dave', mailbox: '', allowEmptyMailboxName: true, key: ENABLED };
        const got = await doveadmRequest(dovecot, 'mailboxMetadataGet', entry);
        assert.equal(got.status, 200);
        assert.match(JSON.stringify(got.body), /"yes"/);
        await doveadmRequest(dovecot, 'mailboxMetadataSet', { ...entry, value: 'no' });
        assert.deepEqual([...(await imap.getMetadata('', [ENABLED]))], [[ENABLED, 'no']]);
        await imap.close();
      });

      test('the doveadm API refuses a wrong key', async () => {
        const answer = await doveadmRequest(dovecot, 'mailboxList', { user: 'dave' }, 'wrong');
        assert.ok([401, 403].includes(answer.status), String(answer.status));
      });
    });

    test('metadata-dict: the sidecar is asked for every annotation, and told of every change', async () => {
      const dovecot = await startPrivateDovecot({
        version,
        metadata: 'dict',
        classify: 'none',
        events: 'none',
      });
      const dict = await startDictStandIn(dovecot.sockets.dict);
      try {
        const imap = await ImapClient.open(dovecot.imap, {
          user: 'alice',
          password: dovecot.password,
        });
        assert.equal((await imap.setMetadata('', ENABLED, 'yes')).status, 'OK');
        const [key] = [...dict.values.keys()];
        assert.match(
          key ?? '',
          /^priv\/[0-9a-f]{32}\/vendor\/vendor\.dovecot\/pvt\/server\/vendor\/vendor\.dovecot\/coi\/config\/enabled$/,
        );
        assert.equal(dict.values.get(key!), 'yes');
        assert.deepEqual([...(await imap.getMetadata('', [ENABLED]))], [[ENABLED, 'yes']]);
        assert.match(dict.lines[0] ?? '', /^H\d+\t\d+\t\d*\t[^\t]*\tcoi$/);
        await imap.close();
        assert.deepEqual(dovecot.errors(), []);
      } finally {
        await dict[Symbol.asyncDispose]();
        await dovecot.stop();
      }
    });

    test('metadata-dict beside a dict of the site’s own: 2.4 refuses every annotation', async () => {
      const dovecot = await startPrivateDovecot({
        ...{ version, metadata: 'dict', classify: 'none', events: 'none' },
        // Before the snippet or behind it, to the same end.
        extraConfig:
          version === '2.3'
            ? 'mail_attribute_dict = file:%h/attributes'
            : 'mail_attribute {\n  dict file {\n    path = %{home}/attributes\n  }\n}',
      });
      const dict = await startDictStandIn(dovecot.sockets.dict);
      try {
        const login = { user: 'alice', password: dovecot.password };
        const imap = await ImapClient.open(dovecot.imap, login);
        const { status } = await imap.setMetadata('', ENABLED, 'yes');
        assert.equal(status, version === '2.3' ? 'OK' : 'NO');
        assert.equal(dict.values.size, 0, 'the last line counts');
        await imap.close();
      } finally {
        await dict[Symbol.asyncDispose]();
        await dovecot.stop();
      }
    });

    test('a directory of scripts that mail processes cannot enter: 2.4 defers all mail', async () => {
      const dovecot = await startPrivateDovecot({ version, metadata: 'none' });
      const MAIL = 'From: bob@example.org\nSubject: Hi\n\nHello\n';
      const codeNow = async (): Promise<number | undefined> =>
        (await deliver(dovecot.lmtp, 'bob@example.org', ['alice'], MAIL)).replies[0]?.code;
      try {
        await chmod(dovecot.layout.coiDir, 0o700);
        assert.equal(await codeNow(), version === '2.3' ? 250 : 451);
        await chmod(dovecot.layout.coiDir, 0o755);
        assert.equal(await codeNow(), 250);
      } finally {
        await dovecot.stop();
      }
    });

    test('events-ox: LDA tells of mail to users with http-notify, and of no other', async () => {
      const http = await startRecordingHttpServer();
      const dovecot = await startPrivateDovecot({
        ...{ version, metadata: 'doveadm', notices: false, classify: 'none', events: 'ox' },
        sidecar: { url: http.url, token: 'a-token' },
      });
      const deliverTo = (user: string) =>
        dovecot.runProgram(
          '/usr/lib/dovecot/dovecot-lda',
          ['-d', user, '-f', 'bob@example.org'],
          'From: bob@example.org\nSubject: Hi\n\nHello\n',
        );
      try {
        const entry = '/private/vendor/vendor.dovecot/http-notify';
        const command = ['mailbox', 'metadata', 'set', '-u', 'alice', '-s', '', entry, 'user=11@3'];
        assert.equal((await dovecot.runDoveadm(command)).exitCode, 0);
        assert.equal((await deliverTo('carol')).exitCode, 0);
        assert.equal((await deliverTo('alice')).exitCode, 0);
        const { path, headers, body } = await http.take();
        assert.equal(path, '/v1/ox-events');
        assert.equal(
          headers.authorization,
          `Basic ${Buffer.from('dovecot:a-token').toString('base64')}`,
        );
        const { user, event, subject } = JSON.parse(body.toString('utf8')) as {
          [field: string]: unknown;
        };
        assert.deepEqual([user, event, subject], ['alice', 'messageNew', 'Hi']);
        assert.equal(http.requests.length, 1);
        assert.deepEqual(dovecot.errors(), []);
      } finally {
        await dovecot.stop();
        await http[Symbol.asyncDispose]();
      }
    });

    test('LDA: mail is classified before it is stored, and told afterwards', async () => {
      const http = await startRecordingHttpServer();
      const dovecot = await startPrivateDovecot({
        version,
        metadata: 'none',
        sidecar: { url: http.url, token: 'a-token' },
      });
      const script = await startScriptStandIn(dovecot.sockets.classify, () => 'flag');
      try {
        const { exitCode, stderr } = await dovecot.runProgram(
          '/usr/lib/dovecot/dovecot-lda',
          [...['-d', 'alice', '-f', 'bob@example.org']],
          'Chat-Version: 1.0\nFrom: bob@example.org\n\nHi\n',
        );
        assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' });
        assert.equal(script.requests.length, 1);
        const { user, service, events } = JSON.parse((await http.take()).body.toString('utf8')) as {
          user: string;
          service: string;
          events: Record<string, unknown>[];
        };
        assert.deepEqual({ user, service }, { user: 'alice', service: 'lda' });
        assert.deepEqual(events[0]?.['keywords'], ['$Chat']);
        assert.deepEqual(dovecot.errors(), []);
      } finally {
        await dovecot.stop();
        await http[Symbol.asyncDispose]();
        await script[Symbol.asyncDispose]();
      }
    });
  });
}
