import assert from 'node:assert/strict';
import { conformance } from '../../support/conformance.ts';
import { fixture } from '../../support/start-stage.ts';
import type { AgentPush } from '../../support/user-agent.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  mail,
  message,
  newAccount,
  settlePushes,
  subscribe,
  userScript,
} from './steps.ts';

/** Octets of a text as it stands in JSON, quotes left out. */
const jsonOctets = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

conformance(import.meta.url, 'webpush-spec', {}, ({ stage, section }) => {
  /** Someone whose user agent hears of every message. */
  async function newReader() {
    const [{ user, client }, agent] = [await newAccount(stage()), await stage().userAgent()];
    await subscribe(client, agent);
    const push = async (text: Buffer): Promise<AgentPush> => {
      await deliverTo(stage(), user, text);
      return agent.next();
    };
    return {
      ...{ user, client, agent, push },
      /** The payload that a message makes. */
      payloadOf: async (text: Buffer) => (await push(text)).payload,
    };
  }

  section('Push Notification Payload', (sentence) => {
    sentence(
      'MUST',
      'An incoming message that matches subscription requirements and that is not a disposition notification message MUST trigger a notification of the corresponding endpoint of that subscription.',
      'By `msgtype` and $Chat, for deliveries (LMTP, LDA); no push for a disposition notification, whatever else it carries, nor for what a client stores or the sidecar moves',
      async () => {
        const { user, client } = await coiAccount(stage(), 'seen');
        const agents = {
          chat: await stage().userAgent(),
          mail: await stage().userAgent(),
          all: await stage().userAgent(),
        };
        for (const [msgtype, agent] of Object.entries(agents)) {
          await subscribe(client, agent, { msgtype });
        }
        const receipt = 'Content-Type: multipart/report; report-type=disposition-notification';
        const messages = [
          chat('Subject: chat 1'),
          mail('Subject: mail 1'),
          chat('Subject: receipt of a chat', `${receipt}; boundary=x`),
          mail('Subject: receipt', `${receipt}; boundary=x`),
          mail('Subject: mail 2', 'Content-Type: multipart/report; report-type=delivery-status'),
          chat('Subject: chat 2'),
        ];
        for (const one of messages) await deliverTo(stage(), user, one);
        const appended = chat('Subject: appended');
        await client.ok('APPEND INBOX', appended);
        await client.ok('SELECT INBOX');
        await client.ok('STORE 1 +FLAGS (\\Seen)');
        await deliverTo(stage(), user, chat('Subject: chat 3'));
        await deliverTo(stage(), user, mail('Subject: mail 3'));
        const options = ['-d', user, '-f', 'alice@example.org'];
        for (const one of [chat('Subject: chat by LDA'), mail('Subject: mail by LDA')]) {
          const lda = '/usr/lib/dovecot/dovecot-lda';
          const { exitCode, stderr } = await stage().dovecot.runProgram(lda, options, one);
          assert.equal(exitCode, 0, stderr);
        }

        const heard = async (agent: keyof typeof agents, expected: string[]): Promise<void> => {
          const subjects = [];
          while (subjects.length < expected.length) {
            subjects.push((await agents[agent].next()).payload['subject']);
          }
          // In whatever order several push at once; each subject is there once.
          assert.deepEqual(subjects.sort(), expected.sort(), agent);
          await settlePushes(stage());
          assert.equal(agents[agent].waiting, 0, agent);
        };
        const chats = ['chat 1', 'chat 2', 'chat 3', 'chat by LDA'];
        const mails = ['mail 1', 'mail 2', 'mail 3', 'mail by LDA'];
        await heard('chat', chats);
        await heard('mail', mails);
        await heard('all', [...chats, ...mails]);
      },
    );
  });

  section('Payload Data Format', (sentence) => {
    sentence(
      'SHOULD',
      'The server SHOULD include the following fields in an JSON object that is the payload.',
      'All of them, in the specification’s order',
      async () => {
        const { payloadOf } = await newReader();
        const payload = await payloadOf(fixture('pgp-encrypted.eml'));
        assert.deepEqual(Object.keys(payload), [
          'from-email',
          'from-name',
          'subject',
          'content',
          'content-type',
          'date',
          'msg-id',
          'uid',
          'uidvalidity',
          'folder',
        ]);
        const grouped = await payloadOf(fixture('chat-group.eml'));
        assert.equal(grouped['group-id'], '1234abcd4321');
      },
    );

    sentence(
      'MUST NOT',
      'Note that if string fields have to be truncated, they MUST NOT truncated in the middle of an UTF8 sequence or the middle of any escape sequence such as `\\uXXXX` or `\\"`.',
      'The last character that fits whole is the last; then the ellipsis',
      async () => {
        const { push } = await newReader();
        const subjectOf = async (text: string): Promise<string> => {
          const encoded = `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`;
          const { json, payload } = await push(mail(`Subject: ${encoded}`));
          const subject = String(payload['subject']);
          assert.ok(subject.isWellFormed() && !subject.includes('\ufffd'), json);
          return subject;
        };
        for (const last of ['ü', '€', '🥗', '"', '\\']) {
          for (const octetsBefore of [96, 97, 98, 99]) {
            const text = `${'x'.repeat(octetsBefore)}${last}${'y'.repeat(20)}`;
            const subject = await subjectOf(text);
            const kept = subject.slice(0, -1);
            assert.equal(subject, `${kept}…`);
            assert.ok(text.startsWith(kept));
            const [next = ''] = text.slice(kept.length);
            assert.ok(jsonOctets(kept) <= 100 && jsonOctets(kept + next) > 100, subject);
          }
        }
        // What JSON would have to write as \uXXXX is a blank by then.
        assert.equal(await subjectOf('a\u0001b\u001fc\u007f'), 'a b c');
      },
    );

    sentence(
      'rule',
      '`from-email`: the lowercase UTF8 email address extracted from the `From` header, at least the first 100 bytes as a JSON string, if truncated followed by an ellipsis `U+2026`.',
      'Internationalized addresses as they came, punycode too',
      async () => {
        const { payloadOf } = await newReader();
        const cases: [from: string, email: string | undefined][] = [
          ['Alice <Alice.B@Example.ORG>', 'alice.b@example.org'],
          ['(a comment) "Doe, John" <JOHN@example.com>', 'john@example.com'],
          ['Пётр <Пётр@почта.рф>', 'пётр@почта.рф'],
          ['x@XN--CAF-DMA.example', 'x@xn--caf-dma.example'],
          [`${'a'.repeat(100)}@example.org`, `${'a'.repeat(100)}…`],
          [`${'a'.repeat(88)}@example.org`, `${'a'.repeat(88)}@example.org`],
          ['nobody at all', undefined],
        ];
        for (const [from, email] of cases) {
          assert.equal((await payloadOf(mail(`From: ${from}`)))['from-email'], email, from);
        }
      },
    );

    sentence(
      'SHOULD',
      '`from-name`: the name extracted from the `From` header, at least the first 100 bytes as a JSON string, if truncated followed by an ellipsis `U+2026`. If there is no name given, then this field SHOULD be omitted.',
      'Decoded (RFC 2047)',
      async () => {
        const { payloadOf } = await newReader();
        const long = Buffer.from('ü'.repeat(60)).toString('base64');
        const cases: [from: string, name: string | undefined][] = [
          ['"Doe, John" <john@example.com>', 'Doe, John'],
          ['=?utf-8?Q?=C3=89lodie?= <elodie@example.com>', 'Élodie'],
          [`=?utf-8?B?${long}?= <u@example.com>`, `${'ü'.repeat(50)}…`],
          ['john@example.com', undefined],
          ['<john@example.com>', undefined],
          ['"" <john@example.com>', undefined],
        ];
        for (const [from, name] of cases) {
          const payload = await payloadOf(mail(`From: ${from}`));
          assert.equal(payload['from-name'], name, from);
          assert.equal('from-name' in payload, name !== undefined, from);
        }
      },
    );

    sentence(
      'SHOULD',
      '`subject`: as specified in the `Subject` header, at least the first 100 bytes as a JSON string, if truncated followed by an ellipsis `U+2026`. If no or only an empty Subject is defined, then this field SHOULD be omitted.',
      'Decoded (RFC 2047) and unfolded; what the few write who still use utf-7, iso-2022-kr, iso-2022-cn or hz-gb-2312 stays in that',
      async () => {
        const { payloadOf } = await newReader();
        const cases: [header: string[], subject: string | undefined][] = [
          [['Subject: Chat: Hello'], 'Chat: Hello'],
          [['Subject: =?utf-8?Q?Caf=C3=A9?=', ' tomorrow'], 'Café tomorrow'],
          [['Subject: =?utf-7?Q?Caf+AOk-?='], 'Caf+AOk-'],
          [['Subject: =?hz-gb-2312?Q?~{<:Ky2;~}?='], '~{<:Ky2;~}'],
          [[`Subject: ${'x'.repeat(100)}`], 'x'.repeat(100)],
          [[`Subject: ${'x'.repeat(101)}`], `${'x'.repeat(100)}…`],
          [['Subject:'], undefined],
          [['Subject:   '], undefined],
          [[], undefined],
        ];
        for (const [headers, subject] of cases) {
          const payload = await payloadOf(mail(...headers));
          assert.equal(payload['subject'], subject);
          assert.equal('subject' in payload, subject !== undefined);
        }
      },
    );

    sentence(
      'rule',
      '`content`: if the final encrypted payload stays under 4kB, the full body will be included.',
      'The body as stored, whole or not at all; an encrypted message arrives decryptable. Octets that are not UTF-8 go out as base64; in ordinary mail only with `doveadm.socket`, since doveadm’s API cannot carry them, else without the content',
      async () => {
        const { push, payloadOf } = await newReader();
        const { payload } = await push(message([], 'One\r\n\r\n two \r\n.dot\r\n'));
        assert.equal(payload['content'], 'One\n\n two \n.dot\n');
        const pgp = fixture('pgp-encrypted.eml').toString('latin1');
        assert.equal(
          (await payloadOf(Buffer.from(pgp)))['content'],
          pgp
            .slice(pgp.search(/\r?\n\r?\n/))
            .replace(/^(\r?\n){2}/, '')
            .replaceAll('\r\n', '\n'),
        );
        for (const header of ['', 'Chat-Version: 1.0\r\n']) {
          const latin1 = Buffer.concat([Buffer.from(header), fixture('latin1-8bit.eml')]);
          const { content, 'content-encoding': encoding } = await payloadOf(latin1);
          assert.match(Buffer.from(String(content), 'base64').toString('latin1'), /ü/);
          assert.equal(encoding, 'base64');
        }

        const ofLength = (octets: number): Promise<AgentPush> =>
          push(message(['Message-ID: <1@example.org>'], `${'x'.repeat(octets)}\r\n`));
        const rest = (await ofLength(1)).json.length - 1;
        const fitting = await ofLength(3_993 - rest);
        assert.deepEqual([fitting.json.length, fitting.body.length], [3_993, 4_096]);
        assert.ok('content' in fitting.payload);
        assert.ok(!('content' in (await ofLength(3_993 - rest + 1)).payload));
      },
    );

    sentence(
      'SHOULD',
      '`content-type`: if `content` is specified, then `content-type` SHOULD be specified, at the least the first 200 bytes as a JSON string, if truncated followed by an ellipsis `U+2026`. If `content-type` is `text/plain` this field SHOULD be omitted.',
      {
        instead:
          'left out for plain UTF-8 text only: `text/plain` with another charset, be it utf-7, or with format=flowed, is told, since a reader needs it. Never cut where the boundary would be lost',
      },
      async () => {
        const { payloadOf } = await newReader();
        const boundary = `boundary="${'b'.repeat(60)}"`;
        const filler = (octets: number): string => `x="${'y'.repeat(octets)}"`;
        const html = `text/html; charset=utf-8; ${filler(200)}`;
        const mixed = `multipart/mixed; ${filler(160)}; ${boundary}`;
        const cases: [type: string, shown: string | undefined][] = [
          ['text/plain', undefined],
          ['TEXT/Plain; charset="UTF-8"', undefined],
          ['text/html', 'text/html'],
          ['text/plain; charset=iso-8859-1', 'text/plain; charset=iso-8859-1'],
          ['text/plain; charset=utf-7', 'text/plain; charset=utf-7'],
          ['text/plain; format=flowed', 'text/plain; format=flowed'],
          // A quote takes two octets of a JSON string.
          [html, `${html.slice(0, 199)}…`],
          [mixed, mixed],
        ];
        for (const [type, shown] of cases) {
          const payload = await payloadOf(mail(`Content-Type: ${type}`));
          assert.ok('content' in payload);
          assert.equal(payload['content-type'], shown, type);
        }
        const tooLong = await payloadOf(message(['Content-Type: text/html'], 'x'.repeat(4_000)));
        assert.ok(!('content-type' in tooLong), 'no content, no type');
      },
    );

    sentence(
      'SHOULD',
      '`content-encoding`: if `content` is specified, then `content-encoding` SHOULD be specified, unless it is `8bit`.',
      {
        instead:
          'the Content-Transfer-Encoding; also left out when the message says none, which is 7bit by RFC 2045 and often 8bit in truth',
      },
      async () => {
        const { payloadOf } = await newReader();
        const encodings = {
          base64: 'base64',
          'Quoted-Printable': 'quoted-printable',
          '7bit': '7bit',
        };
        for (const [encoding, shown] of Object.entries(encodings)) {
          const payload = await payloadOf(
            message([`Content-Transfer-Encoding: ${encoding}`], 'SGVsbG8=\r\n'),
          );
          assert.deepEqual(
            [payload['content'], payload['content-encoding']],
            ['SGVsbG8=\n', shown],
          );
        }
        const eightBit = message(['Content-Transfer-Encoding: 8bit'], 'Grüße\r\n');
        for (const text of [eightBit, message([], 'Grüße\r\n')]) {
          assert.ok(!('content-encoding' in (await payloadOf(text))));
        }
      },
    );

    sentence(
      'SHOULD',
      '`date`: the date of the message in [RFC 3339]-compatible timestamp, if no `Date` header is present, this field SHOULD be omitted.',
      'With the sender’s offset; also left out when the header holds no date',
      async () => {
        const { payloadOf } = await newReader();
        const cases: [header: string[], date: string | undefined][] = [
          [['Date: Mon, 4 Dec 2023 15:51:37 +0100'], '2023-12-04T15:51:37+01:00'],
          [['Date: 5 Dec 2019 09:01 EST'], '2019-12-05T09:01:00-05:00'],
          [['Date: Thu, 05 Dec 2019 08:00:00 -0330 (NST)'], '2019-12-05T08:00:00-03:30'],
          [['Date: yesterday'], undefined],
          [[], undefined],
        ];
        for (const [headers, date] of cases) {
          const payload = await payloadOf(mail(...headers));
          assert.equal(payload['date'], date);
          assert.equal('date' in payload, date !== undefined);
        }
      },
    );

    sentence(
      'rule',
      '`msg-id`: the ID of the incoming message (ASCII text), at least the first 100 bytes as a JSON string, if truncated followed by an ellipsis `U+2026`.',
      'Without angle brackets, as in the specification’s example; an internationalized one as it came',
      async () => {
        const { payloadOf } = await newReader();
        const long = `${'x'.repeat(100)}@example.org`;
        for (const [id, shown] of [
          ['chat$2923892892@domain.com', 'chat$2923892892@domain.com'],
          [long, `${'x'.repeat(100)}…`],
          ['grüße@пример.example', 'grüße@пример.example'],
        ]) {
          assert.equal((await payloadOf(mail(`Message-ID: <${id ?? ''}>`)))['msg-id'], shown);
        }
        const folded = await payloadOf(mail('Message-ID:', ' <chat$1@example.org>'));
        assert.equal(folded['msg-id'], 'chat$1@example.org');
      },
    );

    sentence(
      'rule',
      '`uid`: the UID of the incoming message (32 bit integer); `uidvalidity`: the UID validity of the folder (32 bit integer)',
      'Of where the message is: under `active` that is Chats',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        const agent = await stage().userAgent();
        await subscribe(client, agent);
        for (const one of [mail(), mail(), chat(), mail()]) await deliverTo(stage(), user, one);
        const places = new Map<unknown, unknown>([]);
        for (const mailbox of ['INBOX', 'COI/Chats']) {
          const { untagged } = await client.ok(`STATUS ${mailbox} (UIDVALIDITY)`);
          places.set(mailbox, Number(/UIDVALIDITY (\d+)/.exec(untagged.join())?.[1]));
        }
        const pushes = [];
        for (let count = 0; count < 4; count++) pushes.push((await agent.next()).payload);
        assert.deepEqual(
          pushes.map(({ folder, uid }) => `${String(folder)} ${String(uid)}`).sort(),
          ['COI/Chats 1', 'INBOX 1', 'INBOX 2', 'INBOX 3'],
        );
        for (const { folder, uidvalidity } of pushes) assert.equal(uidvalidity, places.get(folder));
      },
    );

    sentence(
      'SHOULD',
      '`folder`: the mailbox of the incoming message, if longer than 200 bytes as a JSON string this field SHOULD be omitted.',
      'As users see it: UTF-8, not modified UTF-7',
      async () => {
        const { user, payloadOf } = await newReader();
        assert.equal((await payloadOf(mail()))['folder'], 'INBOX');
        const fitting = `Grüße/${'x'.repeat(192)}`;
        for (const [mailbox, shown] of [
          ['Entwürfe & Grüße', 'Entwürfe & Grüße'],
          [fitting, fitting],
          [`${fitting}x`, undefined],
        ] as const) {
          await userScript(
            stage(),
            user,
            `require ["fileinto", "mailbox"]; fileinto :create "${mailbox}";`,
          );
          const payload = await payloadOf(mail());
          assert.equal(payload['folder'], shown);
          assert.equal('folder' in payload, shown !== undefined);
        }
      },
    );

    sentence(
      'SHOULD',
      'When the server is compatible with the COI Client Specification v1.0, then it SHOULD additionally provide the following fields: `group-id`: the ID of the group extracted from the Message-ID or the References header',
      'Of References the first counts, and only in messages of clients that know nothing of COI',
      async () => {
        const { payloadOf } = await newReader();
        const group = 'chat$group.4321dcba1234.ABSKDJK23223.293892839@example.com';
        const own = await payloadOf(chat(`Message-ID: <${group}>`));
        assert.equal(own['group-id'], '4321dcba1234');
        const reply = await payloadOf(mail(`References: <${group}> <other@example.org>`));
        assert.equal(reply['group-id'], '4321dcba1234');
      },
    );

    sentence(
      'SHOULD',
      'This field SHOULD be only present when the message is actually part of a group discussion. Max-length is 128 octets for this field.',
      'Left out when it is longer: half an ID names another group',
      async () => {
        const { payloadOf } = await newReader();
        const id = (group: string): string => `<chat$group.${group}.a.b@example.com>`;
        const longest = 'g'.repeat(128);
        assert.equal((await payloadOf(chat(`Message-ID: ${id(longest)}`)))['group-id'], longest);
        for (const headers of [
          [`Message-ID: ${id(`${longest}g`)}`],
          ['Message-ID: <chat$238788.AB29702@example.com>'],
          ['Message-ID: <chat$99.100@example.com>', `References: ${id('4321dcba1234')}`],
          ['Message-ID: <chat$groupies.4321dcba1234.a.b@example.com>'],
          [`References: <first@example.org> ${id('4321dcba1234')}`],
          [`In-Reply-To: ${id('4321dcba1234')}`],
        ]) {
          assert.ok(!('group-id' in (await payloadOf(mail(...headers)))), headers.join());
        }
      },
    );

    sentence(
      'rule',
      'A push service is not required to support more than 4096 octets of payload body. Absent header (86 octets), padding (minimum 1 octet), and expansion for AEAD_AES_128_GCM (16 octets), this equates to, at most, 3993 octets of plaintext.',
      'No push is larger, whatever the message',
      async () => {
        const { push } = await newReader();
        const text = '"\\🥗'.repeat(2_000);
        const huge = message(
          [`Subject: ${text}`, `From: "${'ü'.repeat(2_000)}" <a@b.example>`],
          text,
        );
        for (const one of [
          huge,
          message([], text.slice(0, 3_000)),
          message([], 'x'.repeat(3_500)),
        ]) {
          const { body, json } = await push(one);
          assert.ok(body.length <= 4_096);
          assert.equal(body.length, 86 + Buffer.byteLength(json) + 1 + 16);
        }
      },
    );
  });
});
