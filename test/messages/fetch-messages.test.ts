import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { createDoveadmClient, type DoveadmClient } from '../../src/dovecot/doveadm-client.ts';
import { createFetchMessages } from '../../src/messages/fetch-messages.ts';
import { MAX_BODY_OCTETS, MAX_MESSAGE_OCTETS } from '../../src/messages/limits.ts';
import { parseHeaderBlock } from '../../src/messages/parse-header-block.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { recordLog } from '../support/record-log.ts';

/** Folded, with several fields of a name, and with what is of no interest. */
const HEADER = [
  'From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.org>',
  'Subject: one',
  ' two',
  'Subject: another',
  'Date: Mon, 4 Dec 2023 15:51:37 +0100',
  'Message-ID: <id@example.org>',
  'References: <chat$group.4321dcba1234.a.b@example.org>',
  '\t<other@example.org>',
  'X-Other: other',
  'Content-Type: multipart/report;',
  '  report-type=disposition-notification; boundary=b',
];

for (const { version, skip } of dovecotVersions) {
  describe(`messages fetched from Dovecot ${version}`, { skip }, () => {
    let dovecot: PrivateDovecot;
    let doveadm: DoveadmClient;
    const teardown = createTeardown();
    before(async () => {
      dovecot = await startPrivateDovecot({
        ...{ version, events: 'none', classify: 'none', metadata: 'none' },
      });
      teardown.defer(() => dovecot.stop());
      doveadm = createDoveadmClient({ ...dovecot.doveadm, timeout: 20_000 });
      teardown.defer(() => doveadm.close());
    });

    let users = 0;
    /** Delivers messages of these bodies to someone new, and fetches them. */
    async function fetched(...bodies: (string | Buffer)[]): Promise<Map<number, Buffer>> {
      const user = `user${++users}@example.org`;
      for (const body of bodies) {
        const message = Buffer.concat([
          Buffer.from(`${HEADER.join('\r\n')}\r\n\r\n`),
          Buffer.from(body),
        ]);
        const { replies } = await deliver(dovecot.lmtp, 'a@example.org', [user], message);
        assert.equal(replies[0]?.code, 250);
      }
      const uids = bodies.map((_, index) => index + 1);
      return createFetchMessages({ doveadm, log: recordLog().log })(user, 'INBOX', uids);
    }

    /** All that a push needs of a header, and no body. */
    function assertHeader(message: Buffer | undefined): void {
      assert.ok(message);
      const headers = parseHeaderBlock(message);
      assert.equal(headers.bodyStart, message.length);
      assert.equal(headers.first('subject'), 'one two');
      assert.match(message.toString('latin1'), /^Subject: another\r?$/m);
      for (const line of HEADER.filter((text) => /^(?:From|Date|Message-ID): /.test(text))) {
        const [name = '', value] = line.split(': ');
        assert.equal(headers.first(name.toLowerCase()), value);
      }
      assert.match(headers.first('references') ?? '', /^<chat\$.*>\s+<other@example\.org>$/);
      assert.match(headers.first('content-type') ?? '', /report-type=disposition-notification/);
    }

    it('come whole when they are short', async () => {
      const message = String((await fetched('Grüße\r\n')).get(1));
      assert.ok(message.endsWith('\n\nGrüße\n'));
      assert.ok(message.includes('\nX-Other: other\n'));
    });

    it('come as the header that matters when they are long', async () => {
      const messages = await fetched('x\r\n', 'y\r\n'.repeat(10_000), 'z\r\n');
      assert.deepEqual([...messages.keys()].sort(), [1, 2, 3]);
      assertHeader(messages.get(2));
      assert.ok(messages.get(3)?.toString().endsWith('\n\nz\n'));
    });

    /** Delivers one behind a header of this length to someone new, and fetches it. */
    async function fetchedBehind(headerOctets: number, bodyOctets: number): Promise<Buffer> {
      const user = `user${++users}@example.org`;
      const line = `X-Other: ${'x'.repeat(500)}\r\n`;
      const header = line.repeat(headerOctets / line.length) + HEADER.join('\r\n');
      const message = `${header}\r\n\r\n${'z'.repeat(bodyOctets - 1)}\r\n`; // stored with LF
      const { replies } = await deliver(dovecot.lmtp, 'a@example.org', [user], message);
      assert.equal(replies[0]?.code, 250);
      const fetch = createFetchMessages({ doveadm, log: recordLog().log });
      return (await fetch(user, 'INBOX', [1])).get(1) ?? Buffer.alloc(0);
    }

    it('come with a short body behind a long header (MAX_BODY_OCTETS)', async () => {
      for (const [octets, expected] of [
        [2, 2],
        [MAX_BODY_OCTETS, MAX_BODY_OCTETS],
        [MAX_BODY_OCTETS + 1, 0],
      ] as const) {
        const message = await fetchedBehind(20_000, octets);
        const { bodyStart, ...headers } = parseHeaderBlock(message);
        assert.ok(bodyStart > 20_000, JSON.stringify(headers));
        assert.equal(message.length - bodyStart, expected);
      }
    });

    it('come as the fields that matter when they are very long (MAX_MESSAGE_OCTETS)', async () => {
      const message = await fetchedBehind(MAX_MESSAGE_OCTETS, 2);
      assert.ok(message.length < 2_000);
      assertHeader(message);
    });

    it('come in several requests when they are more than doveadm 2.4 takes in one', async () => {
      await fetched('first\r\n');
      const gone = Array.from({ length: 6_000 }, (_, index) => 100_000 + index);
      const fetch = createFetchMessages({ doveadm, log: recordLog().log });
      const messages = await fetch(`user${users}@example.org`, 'INBOX', [...gone, 1]);
      assert.deepEqual([...messages.keys()], [1]);
      assert.ok(messages.get(1)?.toString().endsWith('\n\nfirst\n'));
    });

    it('come when a block of 8 KiB ends within a character, on which doveadm 2.4 panics', async () => {
      // Whatever the length of the header that LMTP adds: one of them has its block's end there.
      for (const offset of ['', 'x', 'xx']) {
        const [[uid, message] = []] = await fetched(`${offset}${'€'.repeat(4_000)}\r\n`);
        assert.equal(uid, 1);
        const headers = parseHeaderBlock(message ?? Buffer.alloc(0));
        assert.equal(headers.first('message-id'), '<id@example.org>');
        if (headers.bodyStart === message?.length) assertHeader(message);
        else assert.ok(message?.toString().endsWith('€€\n'));
      }
    });

    it('are left out when they are gone, or their mailbox or user is', async () => {
      const [user, fetch] = [
        `user${users}@example.org`,
        createFetchMessages({ doveadm, log: recordLog().log }),
      ];
      assert.deepEqual([...(await fetch(user, 'INBOX', [1, 77])).keys()], [1]);
      assert.equal((await fetch(user, 'Gone', [1])).size, 0);
    });
  });
}
