import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDispositionNotification } from '../../src/messages/is-disposition-notification.ts';

const judge = (header: string, body = 'body', isChat = false) =>
  isDispositionNotification(Buffer.from(`${header}\n\n${body}`), isChat);

/** A multipart's body; RFC 2046 section 5.1.1. */
const multipart = (boundary: string, ...parts: string[]) =>
  [...parts.map((part) => `--${boundary}\r\n${part}\r\n`), `--${boundary}--\r\n`].join('');

const TEXT = 'Content-Type: text/plain\r\n\r\nYour message was read.';
const RECEIPT = 'Content-Type: message/disposition-notification\r\n\r\nDisposition: displayed';

describe('isDispositionNotification', () => {
  const notifications = [
    'Content-Type: multipart/report; report-type=disposition-notification; boundary=b',
    'Content-Type: multipart/report; boundary=b; report-type="disposition-notification"',
    'CONTENT-TYPE: Multipart/Report; Report-Type=Disposition-Notification',
    'Content-Type: multipart/report;\n report-type=disposition-notification;\n boundary="b"',
    'Content-Type: multipart/report;\r\n\treport-type=disposition-notification',
    'Content-Type: multipart/report; report-type = "disposition-notification" ; boundary=b',
    'Content-Type: (a comment) multipart/report; (more) report-type=disposition-notification',
    'Content-Type: multipart / report; report-type=disposition-notification (read)',
    'Content-Type: multipart/report; report-type=" disposition-notification"',
    "Content-Type: multipart/report; report-type*=us-ascii''disposition%2Dnotification",
    'Content-Type: multipart/report; report-type*0=disposition-; report-type*1=notification',
    "Content-Type: multipart/report; report-type*1*=%2Dnotification;\n report-type*0*=us-ascii'en'disposition",
    'Content-Type: multipart/report; report-type="disposition\\-notification"',
    'Content-Type: multipart/report; name="a;b=c"; report-type=disposition-notification',
    'Content-Type: multipart/report; report-type="disposition-notification',
    'Content-Type: multipart/report; report-type=disposition-notification\nContent-Type: text/plain',
  ];
  for (const header of notifications)
    test(`is: ${JSON.stringify(header)}`, () => assert.ok(judge(header)));

  const others = [
    'Subject: multipart/report; report-type=disposition-notification',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    'Content-Type: multipart/report; boundary="report-type=disposition-notification"',
    'Content-Type: multipart/report (report-type=disposition-notification)',
    'Content-Type: multipart/report; boundary=disposition-notification',
    'Content-Type: multipart/report; report-type=disposition-notifications',
    'Content-Type: multipart/report; report-type=x; report-type=disposition-notification',
    'Content-Type: multipart/reports; report-type=disposition-notification',
    'Content-Type: multipart/mixed; report-type=disposition-notification',
    'Content-Type: text/plain; name="multipart/report; report-type=disposition-notification"',
    'Content-Type: multipart/report',
    'Content-Type:',
    // It asks for a notification and is none.
    'Disposition-Notification-To: me@example.com\nContent-Type: text/plain',
    'Content-Type: text/plain\nContent-Type: multipart/report; report-type=disposition-notification',
  ];
  for (const header of others)
    test(`is not: ${JSON.stringify(header)}`, () => assert.ok(!judge(header)));

  test('what stands in the body does not count', () => {
    const body = 'Content-Type: multipart/report; report-type=disposition-notification\n';
    assert.ok(!judge('To: x', body));
    assert.ok(!judge('Content-Type: text/plain', multipart('b', TEXT, RECEIPT)));
  });
});

describe('a notification within other parts', () => {
  const mixed = 'Content-Type: multipart/mixed; boundary=b';
  const report = (...parts: string[]) =>
    `Content-Type: multipart/report; boundary="in ner"\r\n\r\n${multipart('in ner', ...parts)}`;
  const wrapped: [what: string, header: string, body: string][] = [
    ['as the message itself', 'Content-Type: message/disposition-notification', 'Disposition: x'],
    ['in multipart/mixed', mixed, multipart('b', TEXT, RECEIPT)],
    ['in capitals', mixed, multipart('b', TEXT, RECEIPT.replace('message/d', 'Message / D'))],
    ['without report-type', 'Content-Type: multipart/report; boundary=b', multipart('b', RECEIPT)],
    ['a report with a list footer', mixed, multipart('b', report(TEXT, RECEIPT), TEXT)],
    [
      'a signed report with a list footer',
      mixed,
      multipart(
        'b',
        `Content-Type: multipart/signed; boundary=s\n\n${multipart('s', report(TEXT, RECEIPT), TEXT)}`,
        TEXT,
      ),
    ],
    ['behind a preamble', mixed, `This is MIME.\n${multipart('b', TEXT, RECEIPT)}`],
    ['cut off before its end', mixed, `--b\n${TEXT}\n--b\n${RECEIPT}`],
    [
      'a report with a type of its own, and headers alone',
      `${mixed}; x=y`,
      multipart('b', report(RECEIPT)),
    ],
  ];
  for (const [what, header, body] of wrapped) {
    // White space around the slash defeats the look for the words; so be it.
    const expected = what !== 'in capitals';
    test(what, () => assert.equal(judge(header, body), expected));
  }

  const others: [what: string, header: string, body: string][] = [
    [
      'in a forwarded message',
      mixed,
      multipart('b', `Content-Type: message/rfc822\n\n${mixed}\n\n${multipart('b2', RECEIPT)}`),
    ],
    ['as words of a text', mixed, multipart('b', `${TEXT}\nmessage/disposition-notification`)],
    ['behind the end', mixed, `${multipart('b', TEXT)}--b\n${RECEIPT}`],
    ['with another boundary', mixed, multipart('c', RECEIPT)],
    ['without a boundary', 'Content-Type: multipart/mixed', multipart('b', RECEIPT)],
    ['as the 33rd part', mixed, multipart('b', ...Array.from({ length: 32 }, () => TEXT), RECEIPT)],
    ['behind 64 KiB', mixed, multipart('b', `\n\n${'x'.repeat(65_536)}`, RECEIPT)],
  ];
  for (const [what, header, body] of others) {
    test(`not ${what}`, () => assert.ok(!judge(header, body)));
  }

  test('multiparts in multiparts are opened to a depth of four', () => {
    const nest = (depth: number): string =>
      depth === 0
        ? RECEIPT
        : `Content-Type: multipart/mixed; boundary=n${depth}\n\n${multipart(`n${depth}`, nest(depth - 1))}`;
    const deep = (depth: number): boolean => isDispositionNotification(Buffer.from(nest(depth)));
    assert.deepEqual([1, 4, 5, 200].map(deep), [true, true, false, false]);
  });
});

describe('encrypted receipts', () => {
  const encrypted = 'Content-Type: multipart/encrypted; boundary=b\nAuto-Submitted: auto-replied';
  const chat = `Chat-Version: 1.0\n${encrypted}`;
  test('by the Chat-Version', () => assert.ok(judge(chat)));
  test('by the keyword', () => assert.ok(judge(encrypted, 'body', true)));
  test('S/MIME', () => {
    assert.ok(judge(chat.replace('multipart/encrypted', 'application/pkcs7-mime')));
    const signed = 'application/pkcs7-mime; smime-type=signed-data';
    assert.ok(!judge(chat.replace('multipart/encrypted', signed)));
  });
  for (const value of ['auto-replied; type=x', 'Auto-Replied (receipt)', '(c) auto-replied']) {
    test(value, () => assert.ok(judge(chat.replace('auto-replied', value))));
  }
  for (const value of ['auto-generated', 'no', 'auto-repliedly', '']) {
    test(`not: "${value}"`, () => assert.ok(!judge(chat.replace('auto-replied', value))));
  }
  test('not: ordinary mail, or chat in the clear', () => {
    assert.ok(!judge(encrypted));
    assert.ok(!judge(chat.replace('encrypted', 'mixed'), multipart('b', TEXT)));
    assert.ok(!judge('Chat-Version: 1.0\nAuto-Submitted: auto-replied', 'On holiday.'));
  });
});
