import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDispositionNotification } from '../../src/messages/is-disposition-notification.ts';
import { parseHeaderBlock } from '../../src/messages/parse-header-block.ts';

const judge = (header: string) =>
  isDispositionNotification(parseHeaderBlock(Buffer.from(`${header}\n\nbody`)));

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
    const message =
      'To: x\n\nContent-Type: multipart/report; report-type=disposition-notification\n';
    assert.ok(!isDispositionNotification(parseHeaderBlock(Buffer.from(message))));
  });
});
