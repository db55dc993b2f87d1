import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DictProtocolError } from '../../src/dict/dict-protocol-error.ts';
import { parseRequest, transactionOfHead, type DictRequest } from '../../src/dict/parse-request.ts';

const octets = (text: string) => Buffer.from(text, 'latin1');
const flags = { recurse: false, exactKey: false, noValue: false, sort: 'no' } as const;

describe('parseRequest', () => {
  const table: [line: string, request: DictRequest][] = [
    ['H3\t2\t0\t\tcoi', { command: 'hello', major: 3, minor: 2, user: '', dict: 'coi' }],
    [
      'H2\t2\t0\tanna@example.org\tcoi',
      { command: 'hello', major: 2, minor: 2, user: 'anna@example.org', dict: 'coi' },
    ],
    ['Lpriv/a\tanna', { command: 'lookup', key: 'priv/a', user: 'anna' }],
    ['Lpriv/a', { command: 'lookup', key: 'priv/a', user: '' }],
    ['Lpriv/\x01t\x011\tan\x01nna', { command: 'lookup', key: 'priv/\t\x01', user: 'an\nna' }],
    ['Lpriv/\xff\tanna', { command: 'lookup', key: undefined, user: 'anna' }],
    ['Lpriv/\xc3\xa9\tann\xff', { command: 'lookup', key: 'priv/é', user: undefined }],
    ['Lpriv/\xef\xbf\xbd\tanna', { command: 'lookup', key: 'priv/\ufffd', user: 'anna' }],
    [
      'I9\t0\tpriv/\tanna',
      {
        command: 'iterate',
        options: { ...flags, recurse: true, noValue: true },
        maxRows: 0,
        path: 'priv/',
        user: 'anna',
      },
    ],
    ['B1\tanna', { command: 'begin', id: 1, user: 'anna', expireSecs: 0 }],
    ['B1\tanna\t60', { command: 'begin', id: 1, user: 'anna', expireSecs: 60 }],
    ['B4294967295', { command: 'begin', id: 4294967295, user: '', expireSecs: 0 }],
    ['S1\tpriv/a\tx\x01ny', { command: 'set', id: 1, key: 'priv/a', value: octets('x\ny') }],
    ['S1\tpriv/a\t', { command: 'set', id: 1, key: 'priv/a', value: octets('') }],
    ['S1\tpriv/a\t\xff\x010', { command: 'set', id: 1, key: 'priv/a', value: octets('\xff\0') }],
    ['U2\tpriv/a', { command: 'unset', id: 2, key: 'priv/a' }],
    ['A3\tpriv/a\t-12', { command: 'increment', id: 3, key: 'priv/a', by: -12 }],
    [
      'A3\tpriv/a\t9007199254740991',
      { command: 'increment', id: 3, key: 'priv/a', by: 2 ** 53 - 1 },
    ],
    ['C1', { command: 'commit', id: 1, async: false }],
    ['D1', { command: 'commit', id: 1, async: true }],
    ['R1', { command: 'rollback', id: 1 }],
    ['T1\t1700000000\t5', { command: 'note', id: 1 }],
    ['V1\tyes', { command: 'note', id: 1 }],
  ];
  for (const [line, request] of table) {
    test(JSON.stringify(line), () => assert.deepEqual(parseRequest(octets(line)), request));
  }

  const bits: [flag: number, options: object][] = [
    [0x01, { recurse: true }],
    [0x02, { sort: 'key' }],
    [0x04, { sort: 'value' }],
    [0x08, { noValue: true }],
    [0x10, { exactKey: true }],
    [0x20, {}],
    [0x40, {}],
    [0x3b, { recurse: true, sort: 'key', noValue: true, exactKey: true }],
  ];
  for (const [flag, options] of bits) {
    test(`iterate flags 0x${flag.toString(16)}`, () => {
      const request = parseRequest(octets(`I${flag}\t18446744073709551615\tpriv/\tanna`));
      assert.ok(request.command === 'iterate');
      assert.deepEqual(request.options, { ...flags, ...options });
      assert.ok(request.maxRows > 2 ** 63);
    });
  }

  const broken = [
    ...[
      '',
      'X',
      'G / HTTP/1.1',
      '\x00',
      'H',
      'H3',
      'H3\t2\t0\t',
      'Hx\t2\t0\t\tcoi',
      'H3\t-1\t0\t\tcoi',
    ],
    ...[
      'I',
      'I1',
      'I1\t0',
      'Ix\t0\tpriv/',
      'I1\t\tpriv/',
      'I-1\t0\tpriv/',
      'B',
      'Bx',
      'B1\tanna\tx',
    ],
    ...[
      'B1\tanna\t',
      'S',
      'S1',
      'S1\tpriv/a',
      'Sx\tpriv/a\tv',
      'U',
      'U1',
      'A1\tpriv/a',
      'A1\tpriv/a\t',
    ],
    ...[
      'A1\tpriv/a\t--1',
      'A1\tpriv/a\t9007199254740992',
      'A1\tpriv/a\t1.5',
      'C',
      'C 1',
      'C0x1',
      'R',
    ],
    ...['C123456789012345678901', 'C9007199254740992', 'T', 'V', 'B1 ', 'O1', 'N1'],
  ];
  for (const line of broken) {
    test(`${JSON.stringify(line)} is none of Dovecot's`, () => {
      assert.throws(() => parseRequest(octets(line)), DictProtocolError);
    });
  }

  test('errors never quote what was sent', () => {
    for (const line of ['S1\tsecret', 'Asecret\tpriv/x\tsecret', 'Hsecret\tsecret']) {
      assert.throws(
        () => parseRequest(octets(line)),
        (error: Error) => !error.message.includes('secret'),
      );
    }
  });

  test('any octets are a request or a DictProtocolError', () => {
    const letter = fc.constantFrom(...Array.from('HLIBSUACDRTVX\t\x01', octets));
    const field = fc.oneof(
      fc.uint8Array({ maxLength: 6 }).map((array) => Buffer.from(array)),
      fc.integer({ min: -5, max: 99 }).map((number) => octets(String(number))),
      fc.constant(octets('priv/a')),
    );
    fc.assert(
      fc.property(letter, fc.array(field, { maxLength: 5 }), (first, fields) => {
        const line = Buffer.from(
          first.toString('latin1') + fields.map((f) => f.toString('latin1')).join('\t'),
          'latin1',
        );
        try {
          assert.ok(parseRequest(line).command);
        } catch (error) {
          assert.ok(error instanceof DictProtocolError, String(error));
        }
      }),
      { numRuns: 30_000 },
    );
  });
});

describe('transactionOfHead', () => {
  for (const [head, id] of [
    ['S12\tpriv/aaa', 12],
    ['U0\tpriv/a', 0],
    ['A4294967295\tpriv/a', 4294967295],
    ['S12', undefined],
    ['Spriv', undefined],
    ['Lpriv/a', undefined],
    ['B1\tanna', undefined],
    ['', undefined],
  ] as const) {
    test(`${JSON.stringify(head)}: ${id}`, () => assert.equal(transactionOfHead(octets(head)), id));
  }
});
