import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { type PrivateDovecot, startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { createLogger } from '../../src/logging.ts';
import { UserFilter } from '../../src/stores/user-filter.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { makeEventLog, type EventLog } from '../support/event-logs.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { ImapClient } from '../support/imap-client.ts';
import { eventually } from '../support/start-stage.ts';
import {
  type Answer,
  type RecordingHttpServer,
  startRecordingHttpServer,
} from '../support/recording-http-server.ts';

interface Body {
  user: string;
  service: string;
  events: Record<string, unknown>[];
}
const parse = (body: Buffer): Body => JSON.parse(body.toString('utf8')) as Body;

const silent = createLogger('silent');

/** What Dovecot's log says of what nobody took. */
const WAITS = /Warning: .*coi: .* they wait in the event log$/;

const MAIL = `From: Bob <bob@example.org>
To: alice@example.org
Subject: Hello
Message-ID: <1@example.org>
Date: Mon, 4 Nov 2024 10:00:00 +0200

Hi
`;

for (const { version, skip } of dovecotVersions)
  describe(`lua/coi.lua in Dovecot ${version}`, { skip }, () => {
    let answer: Answer | null = { status: 204 };
    let http: RecordingHttpServer;
    let dovecot: PrivateDovecot;
    let log: EventLog;
    let user = 0;
    let alice = '';

    const teardown = createTeardown();
    before(async () => {
      http = teardown.use(await startRecordingHttpServer(() => answer));
      dovecot = await startPrivateDovecot({
        version,
        metadata: 'none',
        classify: 'none',
        sidecar: { url: http.url, token: 'a-token' },
      });
      teardown.defer(() => dovecot.stop());
      log = await makeEventLog(dovecot.eventsDir, dovecot.mailUid);
    });
    beforeEach(() => {
      answer = { status: 204 };
      alice = `alice${++user}`;
    });
    // A test that fails leaves nothing that the next one would take for its own.
    afterEach(() => {
      http.drain();
      log.empty();
    });

    /** INBOX first: Dovecot warns of UIDVALIDITY where two mailboxes are a user's first in one second. */
    const login = async (): Promise<ImapClient> => {
      const client = await ImapClient.open(dovecot.imap, {
        user: alice,
        password: dovecot.password,
      });
      await client.ok('STATUS INBOX (UIDVALIDITY)');
      return client;
    };
    const send = (message: string | Buffer, ...to: string[]) =>
      deliver(dovecot.lmtp, 'bob@example.org', to.length > 0 ? to : [alice], message);
    test('a delivery is one POST /v1/events with the bearer token', async () => {
      const { replies } = await send(MAIL);
      const request = await http.take();
      assert.equal(request.path, '/v1/events');
      assert.equal(request.headers.authorization, 'Bearer a-token');
      assert.equal(request.headers['content-length'], '0', 'no body, so no wait for 100-continue');
      const { events, ...rest } = parse(request.body);
      // "2.0.0 <alice> wO4MOMgACmvlagAAg+zDdQ Saved"
      const session = replies[0]?.text.split(' ')[2];
      assert.deepEqual(rest, { user: alice, uid: dovecot.mailUid, service: 'lmtp', session });
      const [{ uidvalidity, ...event } = {}] = events;
      assert.equal(typeof uidvalidity, 'number');
      assert.deepEqual(event, {
        event: 'MessageNew',
        mailbox: 'INBOX',
        uid: 1,
        keywords: [],
        message_id: '<1@example.org>',
        from: 'Bob <bob@example.org>',
        subject: 'Hello',
        date: 1730707200,
        tz: 120,
      });
      assert.equal(events.length, 1);
    });

    test('each recipient has a POST of their own', async () => {
      const { replies } = await send(MAIL, `${alice}a`, `${alice}b`, `${alice}c`);
      assert.deepEqual(
        replies.map((reply) => reply.code),
        [250, 250, 250],
      );
      const users = [];
      for (let i = 0; i < 3; i++) users.push(parse((await http.take()).body).user);
      assert.deepEqual(users.sort(), [`${alice}a`, `${alice}b`, `${alice}c`]);
    });

    test('headers with control characters, and octets that are not UTF-8, are still JSON', async () => {
      const message = Buffer.concat([
        Buffer.from('From: "Q\\"uote" <b@example.org>\nSubject: a\tb '),
        Buffer.from([0xff, 0xc3, 0xa4, 0xc3, 0x20, 0xed, 0xa0, 0x80, 0x1b, 0x7f]),
        Buffer.from('\n folded\n\nHi\n'),
      ]);
      await send(message);
      const { body } = await http.take();
      const [event = {}] = parse(body).events;
      assert.equal(event['from'], '"Q\\"uote" <b@example.org>');
      assert.match(String(event['subject']), /^a\tb .*ä.* folded$/su);
      assert.ok(!/[\n\r]/.test(String(event['subject'])));
    });

    test('reading mail in INBOX is told in one POST per transaction, in the order of the messages', async () => {
      for (let i = 0; i < 5; i++) {
        await send(MAIL);
        await http.take();
      }
      const imap = await login();
      await imap.ok('SELECT INBOX');
      await imap.ok('STORE 1:5 +FLAGS (\\Seen)');
      const { events, service } = parse((await http.take()).body);
      assert.equal(service, 'imap');
      assert.deepEqual(
        events.map(({ event, mailbox, uid }) => [event, mailbox, uid]),
        [1, 2, 3, 4, 5].map((uid) => ['MessageRead', 'INBOX', uid]),
      );
      await imap.close();
    });

    test('a STORE that replaces flags tells both that $Chat went and that \\Seen came', async () => {
      await send(MAIL);
      await http.take();
      const imap = await login();
      await imap.ok('SELECT INBOX');
      await imap.ok('STORE 1 +FLAGS ($Chat other)');
      await imap.ok('STORE 1 FLAGS (\\Seen)');
      const { events } = parse((await http.take()).body);
      assert.deepEqual(events.map(({ event, uid }) => [event, uid]).sort(), [
        ['FlagsClear', 1],
        ['FlagsClear', 1], // with "replaced"
        ['MessageRead', 1],
      ]);
      const keywords = events.find(({ event }) => event === 'FlagsClear')?.['keywords'];
      assert.deepEqual([...(keywords as string[])].sort(), ['$Chat', 'other']);
      await imap.close();
    });

    for (const [had, command, told] of [
      ['$Chat', 'FLAGS (\\Flagged)', [undefined, true]],
      ['$Chat \\Flagged', 'FLAGS (\\Answered)', [true]],
      ['$Chat \\Seen', 'FLAGS (\\Flagged)', [true]],
      ['$Chat', 'FLAGS (work)', [undefined, true]],
      ['$Chat', '-FLAGS ($Chat)', [undefined]],
      ['$Chat \\Flagged', '-FLAGS.SILENT ($Chat)', [undefined]],
    ] as const) {
      test(`STORE ${command} of a message with ${had} tells whether other flags changed as well`, async () => {
        await send(MAIL);
        await http.take();
        const imap = await login();
        await imap.ok('SELECT INBOX');
        await imap.ok(`STORE * FLAGS (${had})`);
        if (had.includes('Seen')) await http.take();
        await imap.ok(`STORE * ${command}`);
        const { events } = parse((await http.take()).body);
        assert.deepEqual(
          events.map(({ event, replaced }) => [event, replaced]),
          told.map((replaced) => ['FlagsClear', replaced]),
        );
        await imap.close();
      });
    }

    test('mailboxes that come, are renamed and go are told', async () => {
      const imap = await login();
      await imap.ok('CREATE COI/Chats');
      await imap.ok('RENAME COI/Chats "COI/Ch&AOQ-ts"');
      await imap.ok('DELETE "COI/Ch&AOQ-ts"');
      const told = [];
      for (let i = 0; i < 3; i++) told.push(parse((await http.take()).body).events);
      assert.deepEqual(told, [
        [{ event: 'MailboxCreate', mailbox: 'COI/Chats' }],
        [{ event: 'MailboxRename', mailbox: 'COI/Chäts', mailbox_old: 'COI/Chats' }],
        [{ event: 'MailboxDelete', mailbox: 'COI/Chäts' }],
      ]);
      await imap.close();
    });

    test('messages that come into Contacts or leave it are told, once a transaction', async () => {
      const imap = await login();
      await imap.ok('CREATE COI/Contacts');
      await http.take();
      await imap.ok('APPEND COI/Contacts', MAIL);
      await imap.ok('SELECT COI/Contacts');
      await imap.ok('COPY 1 COI/Contacts');
      await imap.ok('STORE 1:* +FLAGS.SILENT (\\Deleted)');
      await imap.ok('EXPUNGE');
      const told = [];
      for (let i = 0; i < 3; i++) told.push(parse((await http.take()).body).events);
      assert.deepEqual(
        told,
        ['MessageAppend', 'MessageAppend', 'MessageExpunge'].map((event) => [
          { event, mailbox: 'COI/Contacts' },
        ]),
      );
      await imap.close();
    });

    test('what nobody needs is not sent', async () => {
      const imap = await login();
      await imap.ok('CREATE other');
      await http.take();
      const before = http.requests.length;
      await imap.ok('APPEND other', MAIL);
      await imap.ok('APPEND INBOX', MAIL);
      await imap.ok('SELECT other');
      await imap.ok('STORE 1 +FLAGS (\\Seen $Chat)');
      await imap.ok('STORE 1 FLAGS ()');
      await imap.ok('SELECT INBOX');
      await imap.ok('STORE 1 +FLAGS (\\Flagged $Chat some)');
      await imap.ok('STORE 1 -FLAGS (\\Flagged some)');
      await imap.ok('COPY 1 other');
      await imap.ok('SUBSCRIBE other');
      await imap.close();
      await send(MAIL); // whatever came before would be before this
      const next = parse((await http.take()).body);
      assert.equal(next.events[0]?.['event'], 'MessageNew');
      assert.equal(http.requests.length, before + 1);
    });

    for (const status of [400, 401, 404, 500, 503, 302]) {
      test(`answer ${status}: kept in the event log, as it was sent and with the time`, async () => {
        answer = { status };
        const { replies } = await send(MAIL);
        assert.equal(replies[0]?.code, 250);
        const { body } = await http.take();
        const [{ at } = { at: 0 }] = log.read();
        assert.ok(Math.abs(at - Date.now() / 1_000) < 5, String(at));
        const line = `\n${body.subarray(0, -1).toString()},"at":${at}}\n`;
        assert.equal(await readFile(log.log, 'utf8'), line);
      });
    }

    /** Sends while the machine is so busy that everybody's copy of the script takes time to start. */
    const sendSlowly = async (seconds: number, ...to: string[]) => {
      const path = join(dovecot.layout.coiDir, 'coi.lua');
      const script = await readFile(path, 'utf8');
      await writeFile(path, `os.execute('sleep ${seconds}')\n${script}`);
      try {
        return await send(MAIL, ...to);
      } finally {
        await writeFile(path, script);
      }
    };

    for (const [machine, sleep] of [
      ['an idle machine', 0],
      ['a busy machine', 1.2], // Dovecot's idea of the time is older than the script's by that
    ] as const)
      test(`a sidecar that hangs is asked once for all recipients of a message, on ${machine}`, async () => {
        answer = null;
        const before = http.requests.length;
        const { replies } = await sendSlowly(sleep, `${alice}a`, `${alice}b`, `${alice}c`);
        assert.deepEqual(
          replies.map((reply) => reply.code),
          [250, 250, 250],
        );
        assert.equal(http.requests.length, before + 1);
        assert.equal(log.read().length, 3);
      });

    test('a machine that is busy for longer than anybody waits does not make a sidecar hang', async () => {
      await sendSlowly(2.5);
      assert.equal(parse((await http.take()).body).user, alice);
      assert.deepEqual(log.read(), []);
    });

    test('a sidecar that hung is asked all the same when the event log takes nothing', async () => {
      answer = null;
      await send(MAIL);
      await http.take();
      answer = { status: 204 };
      const before = dovecot.errors().length;
      await rename(log.log, `${log.log}.away`);
      await send(MAIL);
      await rename(`${log.log}.away`, log.log);
      assert.deepEqual(dovecot.errors().slice(before), []);
      assert.equal(parse((await http.take()).body).user, alice);
      assert.equal(log.read().length, 1, 'the one before');
    });

    describe('with nobody listening', () => {
      let deaf: PrivateDovecot;
      const teardown = createTeardown();
      before(async () => {
        deaf = await startPrivateDovecot({ version, metadata: 'none', classify: 'none' });
        teardown.defer(() => deaf.stop());
      });

      test('no directory for its system user: mail is delivered, and one line says what is lost', async () => {
        const { replies } = await deliver(deaf.lmtp, 'b@example.org', ['dave'], MAIL);
        assert.equal(replies[0]?.code, 250);
        const lines = deaf.errors();
        assert.equal(lines.length, 1, lines.join('\n'));
        assert.match(lines[0]!, /Error: .*dave.*\/log: No such file or directory\): they are lost/);
        assert.deepEqual(await readdir(deaf.eventsDir), []);
      });

      test('mail is delivered and nobody waited for, events wait in the log in their order', async () => {
        const log = await makeEventLog(deaf.eventsDir, deaf.mailUid);
        const before = deaf.errors().length;
        for (let i = 0; i < 3; i++) {
          const { replies } = await deliver(deaf.lmtp, 'b@example.org', ['carol'], MAIL);
          assert.equal(replies[0]?.code, 250);
        }
        const imap = await ImapClient.open(deaf.imap, { user: 'carol', password: deaf.password });
        await imap.ok('SELECT INBOX');
        await imap.ok('STORE 1:3 +FLAGS (\\Seen)');
        await imap.ok('CREATE one');
        await imap.ok('CREATE two');
        await imap.close();
        const order = log
          .read()
          .map(({ events }) => events.map(({ event, uid, mailbox }) => [event, uid ?? mailbox]));
        assert.deepEqual(order, [
          [['MessageNew', 1]],
          [['MessageNew', 2]],
          [['MessageNew', 3]],
          [1, 2, 3].map((uid) => ['MessageRead', uid]),
          [['MailboxCreate', 'one']],
          [['MailboxCreate', 'two']],
        ]);
        const lines = deaf.errors().slice(before);
        assert.equal(lines.length, order.length);
        for (const line of lines) {
          assert.match(line, WAITS);
          assert.match(line, /\(9003 /, 'refused at once, rather than waited for (9008)');
        }
      });
    });

    /** One more Dovecot with other settings of the script, for one delivery. */
    const deliverWith = async (settings: string): Promise<string[]> => {
      const other = await startPrivateDovecot({
        version,
        metadata: 'none',
        classify: 'none',
        sidecar: { url: http.url, token: 'unused' },
        extraConfig:
          version === '2.3'
            ? `plugin {\n${settings}\n}\n`
            : `push_notification coi {\nlua_settings {\n${settings}\n}\n}\n`,
      });
      const { replies } = await deliver(other.lmtp, 'b@example.org', ['erin'], MAIL);
      assert.equal(replies[0]?.code, 250);
      // Lines take a moment to Dovecot's log; this one is the delivery's last.
      await eventually(() => assert.match(other.readLog(), /saved mail to INBOX/));
      const errors = other.errors();
      assert.deepEqual(await readdir(other.eventsDir), []);
      await other.stop();
      return errors;
    };

    test('an empty coi_sidecar_url switches the script off', async () => {
      const before = http.requests.length;
      assert.deepEqual(await deliverWith('coi_sidecar_url ='), []);
      assert.equal(http.requests.length, before);
    });

    test('what is too long for a header is the body', async () => {
      await send(MAIL.replace('Hello', 'Hello '.repeat(1_000)));
      const { headers, body } = await http.take();
      assert.equal(headers['coi-events'], undefined);
      assert.equal(headers['content-type'], 'application/json');
      assert.equal(parse(body).events.length, 1);
    });

    describe('with a file of those whose messages matter', () => {
      let filter: UserFilter;
      beforeEach(
        () => (filter = new UserFilter(join(dovecot.eventsDir, 'marks'), silent, log.directory)),
      );
      afterEach(() => filter.close());
      const reported = async (): Promise<boolean> => {
        const before = http.requests.length;
        await send(MAIL);
        if (http.requests.length === before) return false;
        assert.equal(parse((await http.take()).body).user, alice);
        return true;
      };

      test('new and seen messages of others are not reported', async () => {
        await filter.publish();
        assert.equal(await reported(), false);
        const client = await login();
        await client.ok('SELECT INBOX');
        await client.ok('STORE 1 +FLAGS (\\Seen)');
        await client.ok('STORE 1 FLAGS ($Chat)');
        await client.ok('STORE 1 FLAGS (\\Seen)');
        const before = http.requests.length;
        await client.ok('CREATE COI/Chats');
        await client.close();
        assert.equal(http.requests.length, before + 1, 'a mailbox may enable COI');
        assert.equal(parse((await http.take()).body).events[0]?.['event'], 'MailboxCreate');
      });

      test('whoever was added is reported from then on', async () => {
        await filter.publish();
        for (const name of ['anna', 'a.b-c_d@example.org', 'x'.repeat(60)]) {
          alice = name;
          assert.equal(await reported(), false, name);
          await filter.add(name);
          assert.equal(await reported(), true, name);
        }
      });

      test('a file that is cut short says nothing of anybody', async () => {
        const file = join(dovecot.eventsDir, 'marks');
        await writeFile(file, '');
        await chmod(file, 0o644);
        assert.equal(await reported(), true);
      });
    });

    test('neither reachable nor an event directory set: one line says what is lost', async () => {
      const errors = await deliverWith(
        'coi_sidecar_url = http://127.0.0.1:1\ncoi_sidecar_events_dir =',
      );
      assert.equal(errors.length, 1);
      assert.match(errors[0]!, /Error: .*erin.*coi_sidecar_events_dir is not set: they are lost/);
    });

    test(
      'the token may stand in a file of its own',
      { skip: version !== '2.3' && 'Dovecot 2.4 reads no files into lua_settings' },
      async () => {
        const dir = await mkdtemp(join(tmpdir(), 'coi-dc-'));
        await writeFile(join(dir, 'token'), 'from-a-file\n');
        assert.deepEqual(await deliverWith(`coi_sidecar_token = <${join(dir, 'token')}`), []);
        await rm(dir, { recursive: true });
        assert.equal((await http.take()).headers.authorization, 'Bearer from-a-file');
      },
    );

    test("ordinary work leaves Dovecot's log clean", () => {
      assert.deepEqual(
        dovecot.errors().filter((line) => !WAITS.test(line)),
        [],
      );
    });
  });
