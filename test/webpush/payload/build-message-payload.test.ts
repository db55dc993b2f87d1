import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { buildMessagePayload } from '../../../src/webpush/payload/build-message-payload.ts';
import {
  MAX_PLAINTEXT_OCTETS,
  MIN_PLAINTEXT_OCTETS,
} from '../../../src/webpush/payload/payload.ts';

const PLACE = { mailbox: 'COI/Chats', uid: 2_398_293, uidvalidity: 123_287 };
const IDS = { uid: 2_398_293, uidvalidity: 123_287, folder: 'COI/Chats' };

const build = (message: string | Buffer, limit?: number) =>
  buildMessagePayload(Buffer.from(message), PLACE, limit).payload;
const fixture = (name: string) =>
  readFileSync(new URL(`../../fixtures/messages/${name}.eml`, import.meta.url));
const bodyOf = (name: string) =>
  /\r?\n\r?\n(.*)/s.exec(fixture(name).toString('latin1'))?.[1] ?? '';

describe('payloads of whole messages', () => {
  test('a chat message', () => {
    const { payload, json } = buildMessagePayload(fixture('chat-text'), PLACE);
    assert.equal(
      json,
      '{"from-email":"me@example.com","from-name":"Me Myself","subject":"Chat: Hello World",' +
        '"content":"Hello World\\r\\nMy dear friend, this is a message to you!\\r\\n",' +
        '"date":"2019-12-04T15:51:37+01:00","msg-id":"chat$S2571BC.2878&8@example.com",' +
        '"uid":2398293,"uidvalidity":123287,"folder":"COI/Chats"}',
    );
    assert.deepEqual(JSON.parse(json), payload);
  });

  const cases: Record<string, Record<string, unknown>> = {
    'chat-flowed': {
      'from-email': 'alice@example.com',
      'from-name': 'Alice',
      subject: 'Chat',
      content: 'Grüße aus Köln, this line goes on \nin the next one.\n',
      'content-type': 'text/plain; charset=UTF-8; format="flowed"',
      date: '2019-12-04T15:51:37+01:00',
      'msg-id': 'chat$238788.AB29702@example.com',
    },
    'chat-group': {
      'from-email': 'bob@example.com',
      'from-name': 'Bob Barr',
      subject: 'My Crew',
      content: bodyOf('chat-group'),
      date: '2019-12-04T15:51:37+01:00',
      'msg-id': 'chat$group.1234abcd4321.Asd23212.A2328@example.com',
      'group-id': '1234abcd4321',
    },
    'group-reply': {
      'from-email': 'carrol@example.com',
      subject: 'Re: My Crew',
      content: bodyOf('group-reply'),
      date: '2019-12-04T09:01:00-05:00',
      'msg-id': 'CAF+x=9vY0000@mail.example.com',
      'group-id': '1234abcd4321',
    },
    'folded-message-id': {
      'from-email': 'alice@example.com',
      'from-name': 'Alice',
      subject: 'Planning',
      content: 'See you at eight.\r\n',
      date: '2019-12-06T22:05:00-03:30',
      'msg-id':
        'chat$group.quite-a-long-group-id-0123456789.5E8C7A3B-1F2D-4C6E-9A8B-7C6D5E4F3A2B@mail.subdomain.exam…',
      'group-id': 'quite-a-long-group-id-0123456789',
    },
    'html-alternative': {
      'from-email': 'me@example.com',
      'from-name': 'Me Myself',
      subject: 'Chat',
      content: bodyOf('html-alternative'),
      'content-type': 'multipart/alternative; boundary=unique-boundary-1',
      date: '2019-12-04T15:51:37+01:00',
      'msg-id': 'chat$22938.8238702@example.com',
    },
    'pgp-encrypted': {
      'from-email': 'alice@example.com',
      'from-name': 'Alice',
      subject: '...',
      content: bodyOf('pgp-encrypted'),
      'content-type':
        'multipart/encrypted; protocol="application/pgp-encrypted";\tboundary="==cd8f1b5a0e4b4f3f9d2a7c6b5e4f3a2b=="',
      date: '2019-12-05T08:00:00+00:00',
      'msg-id': 'chat$Mr.9XkPq7.b0c@example.com',
    },
    'latin1-8bit': {
      'from-email': 'juergen@example.de',
      'from-name': 'Jürgen Müller',
      subject: 'Grüße',
      content: Buffer.from(bodyOf('latin1-8bit'), 'latin1').toString('base64'),
      'content-type': 'text/plain; charset=iso-8859-1',
      'content-encoding': 'base64',
      date: '2019-12-05T08:00:00+01:00',
      'msg-id': '201912050800.xB5700@mail.example.de',
    },
    'utf16-body': {
      'from-email': 'bob@example.org',
      'from-name': 'Bob',
      subject: 'wide',
      content: Buffer.from('\ufeffwide \u2603\n', 'utf16le').toString('base64'),
      'content-type': 'text/plain; charset=utf-16',
      'content-encoding': 'base64',
      date: '2019-12-05T08:00:00+01:00',
      'msg-id': 'wide@example.org',
    },
    'binary-image': {
      'from-email': 'bob@example.org',
      'from-name': 'Bob',
      content: Buffer.from(bodyOf('binary-image'), 'latin1').toString('base64'),
      'content-type': 'image/png',
      'content-encoding': 'base64',
      date: '2019-12-05T08:00:00+01:00',
      'msg-id': 'chat$pixel.1@example.org',
    },
    'image-base64': {
      'from-email': 'me@example.com',
      'from-name': 'Me Myself',
      content: bodyOf('image-base64'),
      'content-type': 'image/png',
      'content-encoding': 'base64',
      date: '2019-12-04T15:51:37+01:00',
      'msg-id': 'chat$434571BC.89A707D2@example.com',
    },
    'eai-sender': {
      'from-email': 'пётр@почта.рф',
      'from-name': 'Пётр Иванов',
      subject: 'Встреча в 8',
      content: 'До встречи!\n',
      date: '2019-12-05T08:00:00+03:00',
      'msg-id': 'chat$2923892892@почта.рф',
    },
    'encoded-words': {
      'from-email': 'elodie@xn--caf-dma.example',
      'from-name': 'Élodie Lefèvre',
      subject: 'Café demain à midi, chez le petit bouquiniste de la rue Mouffetard ⚘ 📚',
      content: bodyOf('encoded-words'),
      'content-encoding': 'quoted-printable',
      date: '2019-12-05T08:00:00+01:00',
      'msg-id': '5d9c4f5e-1a2b@xn--caf-dma.example',
    },
    'huge-subject': {
      'from-email': 'news@example.com',
      'from-name': 'Newsletter, Inc.',
      subject:
        'Only today: everything "must" go, and go quickly \\ at once Only today: everything "must" go, an…',
      content: 'Buy.\n',
      date: '2019-12-05T08:00:00-00:00',
      'msg-id': `${'x'.repeat(100)}…`,
    },
    emoji: {
      'from-email': 'unicorn@example.com',
      'from-name': '🦄 Unicorn',
      subject: '👩‍👩‍👧‍👦🦄👩‍👩‍👧‍👦🦄👩‍👩‍👧‍👦🦄👩‍👩…',
      content: '🦄🦄🦄\n',
      date: '2019-12-05T08:00:00+00:00',
      'msg-id': 'chat$emoji.1@example.com',
    },
    'ordinary-mail': {
      'from-email': 'john@example.com',
      'from-name': 'Doe, John',
      subject: 'Minutes',
      content: bodyOf('ordinary-mail'),
      'content-encoding': '7bit',
      date: '2019-12-05T08:00:00+05:30',
      'msg-id': 'minutes.chat$1@example.com',
    },
    'no-body': { 'from-email': 'bob@example.org', subject: 'nothing else' },
    garbage: {
      'from-email': 'café@example.org',
      'from-name': 'café',
      subject: 'café   au lait',
      content: Buffer.from('\xff\xfe\0body\n', 'latin1').toString('base64'),
      'content-encoding': 'base64',
      'msg-id': 'bare$id@example.org',
    },
  };
  for (const [name, expected] of Object.entries(cases)) {
    test(`${name}.eml`, () => assert.deepEqual(build(fixture(name)), { ...expected, ...IDS }));
  }

  test('nothing at all', () => assert.deepEqual(build(''), IDS));
  test('no header, only a body', () => assert.deepEqual(build('\nx'), { content: 'x', ...IDS }));
});

describe('from-email: "the lowercase UTF8 email address"', () => {
  const cases: [from: string, email: string | undefined][] = [
    ['ALICE@EXAMPLE.ORG', 'alice@example.org'],
    ['JÖRG@BÜCHER.example', 'jörg@bücher.example'],
    ['j@XN--bcher-kva.example', 'j@xn--bcher-kva.example'],
    ['Me Myself', undefined],
  ];
  for (const [from, email] of cases) {
    test(from, () => assert.equal(build(`From: ${from}\n\n`)['from-email'], email));
  }
  test('raw octets outside UTF-8 become UTF-8', () => {
    const message = Buffer.from('From: caf\xe9@example.org\n\n', 'latin1');
    assert.equal(build(message)['from-email'], 'café@example.org');
  });
});

describe('"at least the first 100 bytes as a JSON string, if truncated followed by an ellipsis"', () => {
  const x = (count: number) => 'x'.repeat(count);
  const fields: [
    name: 'from-email' | 'from-name' | 'subject' | 'msg-id',
    header: (text: string) => string,
  ][] = [
    ['from-email', (text) => `From: ${text}`],
    ['from-name', (text) => `From: ${text} <a@b>`],
    ['subject', (text) => `Subject: ${text}`],
    ['msg-id', (text) => `Message-ID: <${text}>`],
  ];
  for (const [name, header] of fields) {
    const get = (text: string) => build(`${header(text)}\n\n`)[name];
    test(`${name}: 100 octets are whole, 101 are cut`, () => {
      assert.equal(get(`a@${x(98)}`), `a@${x(98)}`);
      assert.equal(get(`a@${x(99)}`), `a@${x(98)}…`);
    });
    test(`${name}: no cut within UTF-8`, () => {
      assert.equal(get(`a@${x(96)}äy`), `a@${x(96)}ä…`);
      assert.equal(get(`a@${x(97)}äy`), `a@${x(97)}…`);
    });
  }
  test('subject: no cut within an escape', () => {
    assert.equal(build(`Subject: ${x(98)}"y\n\n`).subject, `${x(98)}"…`);
    assert.equal(build(`Subject: ${x(99)}"y\n\n`).subject, `${x(99)}…`);
  });
});

describe('"If no or only an empty Subject is defined, then this field SHOULD be omitted"', () => {
  for (const header of ['To: x', 'Subject:', 'Subject: \t', 'Subject: =?utf-8?Q?_?=']) {
    test(JSON.stringify(header), () => assert.equal('subject' in build(`${header}\n\n`), false));
  }
});

describe('folder: "if longer than 200 bytes as a JSON string this field SHOULD be omitted"', () => {
  const folderOf = (mailbox: string) =>
    buildMessagePayload(Buffer.from(''), { ...PLACE, mailbox }).payload.folder;
  const cases: [what: string, mailbox: string, folder: string | undefined][] = [
    ['200 octets', 'f'.repeat(200), 'f'.repeat(200)],
    ['201 octets', 'f'.repeat(201), undefined],
    ['200 octets of UTF-8', 'ä'.repeat(100), 'ä'.repeat(100)],
    ['202 octets of UTF-8', 'ä'.repeat(101), undefined],
    ['202 octets of escapes', '"'.repeat(101), undefined],
    ['a name as users see it', 'Entwürfe & mehr', 'Entwürfe & mehr'],
    ['a lone surrogate', 'x\ud83e', 'x\ufffd'],
    ['no name', '', undefined],
  ];
  for (const [what, mailbox, folder] of cases) {
    test(what, () => assert.equal(folderOf(mailbox), folder));
  }
});

describe('content: "if the final encrypted payload stays under 4kB"', () => {
  const header = 'From: a@b\nSubject: "x"\n\n';
  const room = (body: string, limit = MAX_PLAINTEXT_OCTETS) =>
    limit - Buffer.byteLength(JSON.stringify({ ...build(header + body), content: '' }));

  test('the longest body that fits is included, one octet more is not', () => {
    const octets = room('y');
    assert.ok(octets > 3_800);
    const { payload, json } = buildMessagePayload(Buffer.from(header + 'y'.repeat(octets)), PLACE);
    assert.equal(payload.content?.length, octets);
    assert.equal(Buffer.byteLength(json), MAX_PLAINTEXT_OCTETS);
    const longer = build(header + 'y'.repeat(octets + 1));
    assert.deepEqual(longer, { 'from-email': 'a@b', subject: '"x"', ...IDS });
  });
  test('3993 octets: 4096 without header (86), padding (1) and tag (16)', () => {
    assert.equal(MAX_PLAINTEXT_OCTETS, 4_096 - 86 - 1 - 16);
  });
  test('the header of the message does not count', () => {
    assert.equal(build(`X: ${'x'.repeat(5_000)}\n${header}y`).content, 'y');
  });
  test('escapes and UTF-8 count', () => {
    const quotes = Math.floor(room('"') / 2);
    assert.ok(build(header + '"'.repeat(quotes)).content);
    assert.equal(build(header + '"'.repeat(quotes + 1)).content, undefined);
    const umlauts = Math.floor(room('ä') / 2);
    assert.ok(build(header + 'ä'.repeat(umlauts)).content);
    assert.equal(build(header + 'ä'.repeat(umlauts + 1)).content, undefined);
  });
  test('content-type and content-encoding come and go with it', () => {
    const typed = `Content-Type: text/html\nContent-Transfer-Encoding: 7bit\n${header}`;
    assert.deepEqual(Object.keys(build(typed + 'y'.repeat(4_000))), [
      'from-email',
      'subject',
      'uid',
      'uidvalidity',
      'folder',
    ]);
  });
  test('a Content-Type that must not be cut makes room for itself or takes the content along', () => {
    const long = (octets: number) =>
      `Content-Type: multipart/mixed; boundary=${'b'.repeat(octets)}\n`;
    assert.ok(build(`${long(3_000)}${header}y`).content);
    assert.equal(build(`${long(4_000)}${header}y`).content, undefined);
    assert.equal(build(`${long(4_000)}${header}y`)['content-type'], undefined);
  });
  test('a smaller limit, as padding asks for', () => {
    const octets = room('y', 2_000);
    assert.ok(build(header + 'y'.repeat(octets), 2_000).content);
    assert.equal(build(header + 'y'.repeat(octets + 1), 2_000).content, undefined);
  });
});

describe('limits so small that fields must go', () => {
  const message = fixture('chat-group');
  test('every field goes before uid and uidvalidity', () => {
    const all = Object.keys(build(message));
    for (let limit = 1_000; limit >= 0; limit--) {
      const { payload, json } = buildMessagePayload(message, PLACE, limit);
      assert.ok(Buffer.byteLength(json) <= Math.max(limit, MIN_PLAINTEXT_OCTETS));
      assert.ok(Object.keys(payload).every((key) => all.includes(key)));
      assert.equal(payload.uid, PLACE.uid);
      assert.equal(payload.uidvalidity, PLACE.uidvalidity);
    }
    assert.deepEqual(Object.keys(build(message, 0)), ['uid', 'uidvalidity']);
  });
  test('the smallest limit holds the largest ids', () => {
    const largest = { mailbox: 'x', uid: 4_294_967_295, uidvalidity: 4_294_967_295 };
    const { json } = buildMessagePayload(message, largest, 0);
    assert.equal(Buffer.byteLength(json), MIN_PLAINTEXT_OCTETS);
  });
  test('the folder stays longest', () => {
    assert.deepEqual(build(message, 70), IDS);
  });
});

describe('payloads of messages that could not be had', () => {
  test('everything known', () => {
    const { payload } = buildMessagePayload(
      {
        fromEmail: 'Alice@Example.org',
        fromName: 'Alice\n',
        subject: ' My Crew ',
        messageId: ' <chat$group.1234abcd4321.1@x>',
        date: { seconds: 1_575_471_097, offset: 60 },
      },
      PLACE,
    );
    assert.deepEqual(payload, {
      'from-email': 'alice@example.org',
      'from-name': 'Alice',
      subject: 'My Crew',
      date: '2019-12-04T15:51:37+01:00',
      'msg-id': 'chat$group.1234abcd4321.1@x',
      'group-id': '1234abcd4321',
      ...IDS,
    });
  });
  test('a lone surrogate', () => {
    const { payload } = buildMessagePayload({ messageId: '<a\ud83e@x>', subject: '\udc00' }, PLACE);
    assert.deepEqual(payload, { 'msg-id': 'a\ufffd@x', subject: '\ufffd', ...IDS });
  });
  test('nothing known', () => {
    assert.deepEqual(buildMessagePayload({}, PLACE).payload, IDS);
    const empty = { fromEmail: '', fromName: ' ', subject: '', messageId: '' };
    assert.deepEqual(buildMessagePayload(empty, PLACE).payload, IDS);
  });
});
