import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import {
  createDoveadmClient,
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
} from '../../src/dovecot/doveadm-client.ts';
import { UnavailableError } from '../../src/errors.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { startImpostor } from '../support/impostor.ts';
import { startRecordingHttpServer } from '../support/recording-http-server.ts';
import { notRoot } from '../support/unprivileged.ts';

for (const road of ['url', 'unixUrl'] as const) {
  describeVersions(`the doveadm client, by ${road}`, (version) => {
    let dovecot: PrivateDovecot;
    let client: DoveadmClient;
    const observed: string[] = [];
    const teardown = createTeardown();
    before(async () => {
      dovecot = await startPrivateDovecot({
        ...{ version, metadata: 'none', classify: 'none', events: 'none' },
      });
      teardown.defer(() => dovecot.stop());
      client = createDoveadmClient({
        ...{ url: dovecot.doveadm[road], apiKey: dovecot.doveadm.apiKey },
        timeout: 5_000,
        observe: (command, seconds, result) => {
          assert.ok(seconds >= 0);
          observed.push(`${command}: ${result}`);
        },
      });
      teardown.defer(() => client.close());
    });

    const create = (mailbox: string) => ({
      name: 'mailboxCreate',
      parameters: { user: 'alice', mailbox: [mailbox] },
    });

    it('runs several commands in one request; a refused one does not stop the others', async () => {
      const [first, second, third] = await client.runAll([create('A'), create('A'), create('B')]);
      assert.deepEqual(first, []);
      assert.ok(second instanceof DoveadmCommandError);
      assert.equal(second.exitCode, EXIT_CODES.dataError);
      assert.deepEqual(third, []);
      assert.equal(observed.at(-1), 'mailboxCreate: refused');
    });

    it('runs more commands than a request takes, in their order', async () => {
      const commands = Array.from({ length: 600 }, (_, index) => ({
        name: 'mailboxStatus',
        parameters: {
          user: 'alice',
          field: ['messages'],
          mailboxMask: [index % 2 === 0 ? 'A' : 'B', 'no such mailbox '.repeat(256)],
        },
      }));
      const answers = await client.runAll(commands);
      assert.deepEqual(
        answers,
        commands.map((_, index) => [{ mailbox: index % 2 === 0 ? 'A' : 'B', messages: '0' }]),
      );
    });

    it('gives the rows that a command prints', async () => {
      const rows = await client.run({
        name: 'mailboxStatus',
        parameters: { user: 'alice', field: ['messages'], mailboxMask: ['A'] },
      });
      assert.deepEqual(rows, [{ mailbox: 'A', messages: '0' }]);
      assert.equal(observed.at(-1), 'mailboxStatus: ok');
    });

    it('says so when a command does not exist', async () => {
      await assert.rejects(
        client.run({ name: 'noSuchThing', parameters: {} }),
        DoveadmCommandError,
      );
    });

    it('says what to do when the key is wrong', async () => {
      const stranger = createDoveadmClient({
        ...{ url: dovecot.doveadm[road], apiKey: 'wrong', timeout: 5_000 },
      });
      await assert.rejects(stranger.run(create('C')), /must equal Dovecot's doveadm_api_key/);
      await assert.rejects(stranger.check(), UnavailableError);
      await stranger.close();
    });
  });
}

describe('the doveadm client', () => {
  it('ends although Dovecot does not answer', async () => {
    await using silent = await startRecordingHttpServer(() => null);
    const waiting = createDoveadmClient({ url: silent.url, apiKey: 'key', timeout: 60_000 });
    const answer = assert.rejects(waiting.check(), UnavailableError);
    await silent.take();
    await waiting.close();
    await answer;
  });

  it('says what to do when nobody listens', async () => {
    const url = 'http://127.0.0.1:1/doveadm/v1';
    const lost = createDoveadmClient({ url, apiKey: 'x', timeout: 1_000 });
    await assert.rejects(lost.check(), /is Dovecot running/);
    await lost.close();
  });

  it('sends the key to no other user who has taken the port', { skip: notRoot }, async () => {
    await using impostor = await startImpostor();
    const url = `http://127.0.0.1:${impostor.port}/doveadm/v1`;
    const options = { url, apiKey: 'the-key-that-opens-all-mail', timeout: 5_000 };
    const client = createDoveadmClient(options);
    await assert.rejects(
      client.check(),
      (error: Error) =>
        error instanceof UnavailableError &&
        /is not asked: port \d+ of 127\.0\.0\.1 is held by .* uid 65534.*trusted_users/.test(
          error.message,
        ),
    );
    assert.equal(impostor.heard(), '');
    await client.close();
    const told = createDoveadmClient({ ...options, trustedUsers: ['nobody'] });
    await assert.rejects(told.run({ name: 'list', parameters: {} }));
    assert.match(impostor.heard(), /X-Dovecot-API/, 'it listens');
    await told.close();
  });
});
