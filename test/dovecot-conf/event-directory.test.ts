import assert from 'node:assert/strict';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { before, beforeEach, describe, test } from 'node:test';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { type PrivateDovecot, startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { makeEventLog, type EventLog } from '../support/event-logs.ts';
import { ImapClient } from '../support/imap-client.ts';
import {
  type Answer,
  type RecordingHttpServer,
  startRecordingHttpServer,
} from '../support/recording-http-server.ts';
import { notRoot } from '../support/unprivileged.ts';

const MESSAGE = 'From: bob@example.org\nSubject: Hi\nMessage-ID: <1@example.org>\n\nHello\n';
/** A FIFO that is opened is waited for without an end. */
const AT_ONCE_MSECS = 6_000;

interface Somebody {
  who: string;
  uid: number;
  gid: number;
}

/** Whoever has an account on the host, and may run programs there. */
const others = ({ mailUid, mailGid }: PrivateDovecot): Somebody[] => [
  { who: 'a local user', uid: 23_456, gid: 23_456 },
  { who: 'another user with the group of mail processes', uid: 23_457, gid: mailGid },
  { who: 'the owner of the mail', uid: mailUid, gid: mailGid },
];

/** Every path that a script opens, or did, and some beside them. */
const places = ({ eventsDir, mailUid }: PrivateDovecot): string[] => [
  ...['hold', 'log', 'marks', 'marks.new', 'alive', '.users', `.hold-${mailUid}`, '99'].map(
    (name) => join(eventsDir, name),
  ),
  ...['hold', 'log', 'hold.new', 'log.1', '.new-log', '.hold'].map((name) =>
    join(eventsDir, String(mailUid), name),
  ),
];

/** What can be done to a path to have it lead elsewhere. */
const ATTACKS = [
  'mkfifo -m 666 "$0"',
  'rm -f "$0" && mkfifo -m 666 "$0"',
  'mv "$0" "$0.away" && mkfifo -m 666 "$0"',
  'ln -sfn /tmp "$0"',
  'rm -rf "$0"',
  'chmod 777 "$0"',
  'mv "$(dirname "$0")" "$(dirname "$0").away"',
  'mkfifo -m 666 "$0"', // so that one stays, if one can
];

/** Kinds, modes and numbers of all that is there. */
async function inventory(dir: string): Promise<string[]> {
  const names = ['', ...(await readdir(dir, { recursive: true })).sort()];
  return Promise.all(
    names.map(async (name) => {
      const { mode, uid, gid, ino } = await lstat(join(dir, name));
      return `${name} ${mode.toString(8)} ${uid}:${gid} ${ino}`;
    }),
  );
}

describeVersions(
  'the event directory, and who else is on the host',
  (version) => {
    let answer: Answer | null;
    let http: RecordingHttpServer;
    let dovecot: PrivateDovecot;
    let log: EventLog;
    let users = 0;
    const teardown = createTeardown();
    before(async () => {
      http = teardown.use(await startRecordingHttpServer(() => answer));
      const sidecar = { url: http.url, token: 'a-token' };
      dovecot = await startPrivateDovecot({ version, metadata: 'none', classify: 'none', sidecar });
      teardown.defer(() => dovecot.stop());
      log = await makeEventLog(dovecot.eventsDir, dovecot.mailUid);
    });
    beforeEach(() => {
      answer = { status: 204 };
      log.empty();
    });

    /** Whatever is put there has no say in this. */
    async function mailPasses(): Promise<void> {
      const user = `user${++users}`;
      const deadline = setTimeout(() => void dovecot.stop(), AT_ONCE_MSECS);
      try {
        const { replies } = await deliver(dovecot.lmtp, 'bob@example.org', [user], MESSAGE);
        assert.equal(replies[0]?.code, 250, 'delivered');
        const login = { user, password: dovecot.password };
        const client = await ImapClient.open(dovecot.imap, login);
        await client.ok(`CREATE box`);
        await client.close();
      } finally {
        clearTimeout(deadline);
      }
    }

    test('nobody but the service can put, replace or remove anything there', async () => {
      const before = await inventory(dovecot.eventsDir);
      for (const { who, uid, gid } of others(dovecot)) {
        const become = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
        for (const place of places(dovecot)) {
          const commands = ATTACKS.map((attack) => `(${attack}) 2>/dev/null`).join('\n');
          await runCommand('setpriv', [...become, 'sh', '-c', commands, place]);
        }
        assert.deepEqual(await inventory(dovecot.eventsDir), before, who);
        await mailPasses();
      }
    });

    test('nobody but the owner of the mail can read or write its log', async () => {
      for (const { who, uid, gid } of others(dovecot)) {
        const become = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
        for (const [deed, command] of [
          ['read', `cat "${log.log}"`],
          ['write', `echo >>"${log.log}"`],
          ['look around', `ls "${dovecot.eventsDir}"`],
          ['look into it', `ls "${log.dir}"`],
        ] as const) {
          const { exitCode } = await runCommand('setpriv', [...become, 'sh', '-c', command]);
          const may = uid === dovecot.mailUid && (deed === 'read' || deed === 'write');
          assert.equal(exitCode === 0, may, `${who}: ${deed}`);
        }
      }
    });

    describe('mail passes, and its events are kept', () => {
      for (const [what, given] of [
        ['refuses', { status: 503 }],
        ['hangs', null],
      ] as const)
        test(`while the service ${what}`, async () => {
          answer = given;
          await mailPasses();
          assert.deepEqual(
            log.read().map(({ events, uid }) => [events[0]?.['event'], uid]),
            [
              ['MessageNew', dovecot.mailUid],
              ['MailboxCreate', dovecot.mailUid],
            ],
          );
        });
    });
  },
  notRoot,
);
