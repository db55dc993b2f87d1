import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatCommand, parseReply } from '../../src/dovecot/doveadm-protocol.ts';

describe('doveadm’s own protocol', () => {
  it('sends flags, user and command as one line, escaped', () => {
    const line = formatCommand('al\tice', ['fetch', '--', 'uid text', 'mailbox', 'Größe\n']);
    assert.equal(line.toString(), '\tal\x01tice\tfetch\t--\tuid text\tmailbox\tGröße\x01n\n');
  });

  const octets = Buffer.from([...Array(256).keys()].filter((octet) => octet > 0x0d));
  const replies: [name: string, reply: Buffer, values: Buffer[], failure?: string][] = [
    ['nothing printed', Buffer.from('\n+\n'), []],
    [
      'a row',
      Buffer.from('7\tHello\x01n\x01t\x010\x011\x01r\t\n+\n'),
      [Buffer.from('7'), Buffer.from('Hello\n\t\0\x01\r')],
    ],
    ['an empty value', Buffer.from('7\t\t\n+\n'), [Buffer.from('7'), Buffer.alloc(0)]],
    ['any octets', Buffer.concat([octets, Buffer.from('\t\n+\n')]), [octets]],
    ['a refusal', Buffer.from('\n-NOTFOUND\n'), [], 'NOTFOUND'],
    ['a refusal half way', Buffer.from('7\t\n-TEMPFAIL\n'), [Buffer.from('7')], 'TEMPFAIL'],
    ['a refusal without a reason', Buffer.from('\n-\n'), [], 'UNKNOWN'],
    ['a referral', Buffer.from('\n-REFERRAL a@host\n'), [], 'REFERRAL a@host'],
  ];
  for (const [name, reply, values, failure] of replies) {
    it(`reads ${name}, and waits until all of it is there`, () => {
      assert.deepEqual(parseReply(reply), { values, failure });
      for (let length = 0; length < reply.length; length++) {
        assert.equal(parseReply(reply.subarray(0, length)), undefined);
      }
    });
  }
});
