import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import {
  createDoveadmClient,
  EXIT_CODES,
  type DoveadmClient,
} from '../../src/dovecot/doveadm-client.ts';
import { createDoveadmSocket } from '../../src/dovecot/doveadm-socket.ts';
import { createFetchMessages, type FetchMessages } from '../../src/messages/fetch-messages.ts';
import { createFetchOctets } from '../../src/messages/fetch-octets.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { recordLog } from '../support/record-log.ts';
import { eventually } from '../support/start-stage.ts';

const USER = 'alice@example.org';
const HEADER = 'From: Bob <bob@example.org>\nSubject: x\n';

/** All octets but CR, which Dovecot would take for a part of a line end. */
const anyOctets = Buffer.from([...Array(256).keys()].filter((octet) => octet !== 0x0d));
const bodies = {
  plain: Buffer.from('Hello\tthere\n'),
  utf8: Buffer.from('Grüße, 日本 🙂\n'),
  replaced: Buffer.from('This is U+FFFD: \u{fffd}\n'),
  latin1: Buffer.from('Grüße\n', 'latin1'),
  octets: Buffer.concat([anyOctets, Buffer.from('\n')]),
  long: Buffer.alloc(80_000, 'An endless line of text.\n'),
};

for (const { version, skip } of dovecotVersions) {
  describe(`fetching stored messages from Dovecot ${version}`, { skip }, () => {
    let dovecot: PrivateDovecot;
    let doveadm: DoveadmClient;
    let log: ReturnType<typeof recordLog>;
    const uids = new Map(Object.keys(bodies).map((name, index) => [name, index + 1]));

    const teardown = createTeardown();
    before(async () => {
      dovecot = await startPrivateDovecot({
        ...{ version, metadata: 'none', classify: 'none', events: 'none' },
      });
      teardown.defer(() => dovecot.stop());
      doveadm = createDoveadmClient({ ...dovecot.doveadm, timeout: 5_000 });
      teardown.defer(() => doveadm.close());
      log = recordLog();
      for (const mailbox of ['INBOX', '-o']) {
        if (mailbox !== 'INBOX') {
          await dovecot.runDoveadm(['mailbox', 'create', '-u', USER, '--', mailbox]);
        }
        for (const body of Object.values(bodies)) {
          const message = Buffer.concat([Buffer.from(`${HEADER}\n`), body]);
          const { exitCode, stderr } = await dovecot.runDoveadm(
            ['save', '-u', USER, '-m', mailbox],
            message,
          );
          assert.equal(exitCode, 0, stderr);
        }
      }
    });

    const fetcher = (path?: string): FetchMessages =>
      createFetchMessages({
        ...{ doveadm, log: log.log },
        fetchOctets:
          path === undefined
            ? undefined
            : createFetchOctets(createDoveadmSocket({ path, timeout: 5_000 })),
      });
    const bodyOf = async (fetch: FetchMessages, name: string, mailbox = 'INBOX') => {
      const messages = await fetch(USER, mailbox, [uids.get(name) ?? 0]);
      const message = messages.get(uids.get(name) ?? 0);
      assert.equal(message?.toString('latin1', 0, HEADER.length), HEADER, name);
      // Without a body it ends before the empty line.
      return message.subarray(HEADER.length + '\n'.length);
    };

    for (const name of ['plain', 'utf8', 'replaced', 'latin1', 'octets'] as const) {
      it(`gives ${name} as it is stored`, async () => {
        assert.deepEqual(await bodyOf(fetcher(dovecot.doveadm.socket), name), bodies[name]);
      });
    }

    it('gives several at once, leaves out what is gone, and of a long one the header', async () => {
      const fetch = fetcher(dovecot.doveadm.socket);
      const messages = await fetch(USER, 'INBOX', [...uids.values(), 99]);
      assert.deepEqual(
        [...messages.keys()].sort((one, other) => one - other),
        [...uids.values()],
      );
      assert.equal(messages.get(uids.get('long') ?? 0)?.toString(), HEADER);
      assert.deepEqual(await fetch(USER, 'Gone', [1]), new Map());
      assert.deepEqual(await fetch(USER, 'INBOX', [99]), new Map());
    });

    it('takes a mailbox for a mailbox, though it be named like an option', async () => {
      const fetch = fetcher(dovecot.doveadm.socket);
      assert.deepEqual(await bodyOf(fetch, 'latin1', '-o'), bodies.latin1);
    });

    it('without the socket, leaves out the body that JSON cannot carry, and only that', async () => {
      const fetch = fetcher();
      assert.deepEqual(await bodyOf(fetch, 'latin1'), Buffer.alloc(0));
      assert.deepEqual(await bodyOf(fetch, 'replaced'), bodies.replaced);
      assert.deepEqual(log.said('warn'), []);
    });

    const faults: Record<string, [path: () => Promise<string>, reason: RegExp]> = {
      'is not there': [
        () => Promise.resolve(`${dovecot.layout.dir}/nobody`),
        /nobody does not answer \(.*ENOENT/,
      ],
      'wants a password': [() => openToOthers(dovecot), /wants a password: give it "mode = 0600"/],
    };
    for (const [name, [prepare, reason]] of Object.entries(faults)) {
      it(`while the socket ${name}, does without the body, and says why`, async () => {
        const path = await prepare();
        const socket = createDoveadmSocket({ path, timeout: 5_000 });
        await eventually(() => assert.rejects(socket.check(), reason), 20_000);
        const before = log.lines.length;
        assert.deepEqual(await bodyOf(fetcher(path), 'latin1'), Buffer.alloc(0));
        const [line] = log.lines.slice(before);
        assert.equal(line?.msg, 'pushing a message without its content');
        assert.match(String(line['reason']), reason);
      });
    }

    it('checks the socket, and says what doveadm refuses', async () => {
      const socket = createDoveadmSocket({ path: dovecot.doveadm.socket, timeout: 5_000 });
      await socket.check();
      await assert.rejects(socket.run(USER, ['mailbox', 'delete', '-u', USER, '--', 'Gone']), {
        exitCode: EXIT_CODES.notFound,
      });
    });
  });
}

/** Any other mode than 0600 means that doveadm asks for a password. @returns the socket's path */
async function openToOthers(dovecot: PrivateDovecot): Promise<string> {
  const listener = 'unix_listener doveadm-server {\n    mode = 0666\n  }';
  await dovecot.reconfigure(`service doveadm {\n  ${listener}\n}`);
  return join(dovecot.layout.baseDir, 'doveadm-server');
}
