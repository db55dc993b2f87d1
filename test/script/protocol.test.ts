import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { tabEscape } from '../../src/dovecot/tab-escaping.ts';
import { ScriptRequestReader } from '../../src/script/protocol.ts';
import { ScriptProtocolError } from '../../src/script/script-protocol-error.ts';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';

const octets = (text: string) => Buffer.from(text, 'latin1');

const REQUEST =
  'VERSION\tscript\t4\t0\n' +
  'env_USER=anna\n' +
  'env_SENDER=a\x01tb=c\n' +
  'env_EMPTY=\n' +
  '-\n' +
  'classify\n' +
  'x\x01ny\x011\n' +
  '\n' +
  'From: a\r\n\r\nbody\n\n-\n\xff';

function read(chunks: readonly Buffer[], options = {}) {
  const reader = new ScriptRequestReader(options);
  for (const chunk of chunks) reader.push(chunk);
  const { env, args, message } = reader.end();
  return {
    env: [...env],
    args,
    message: message.toString('latin1'),
    wantsStatus: reader.wantsStatus,
  };
}

const EXPECTED = {
  env: [
    ['USER', 'anna'],
    ['SENDER', 'a\tb=c'],
    ['EMPTY', ''],
  ],
  args: ['classify', 'x\ny\x01'],
  message: 'From: a\r\n\r\nbody\n\n-\n\xff',
  wantsStatus: true,
};

describe('ScriptRequestReader', () => {
  test('reads a request, wherever the chunks break', () => {
    for (let cut = 0; cut <= REQUEST.length; cut++) {
      assert.deepEqual(
        read([octets(REQUEST.slice(0, cut)), octets(REQUEST.slice(cut))]),
        EXPECTED,
        `cut at ${cut}`,
      );
    }
    assert.deepEqual(read(Array.from(REQUEST, octets)), EXPECTED);
  });

  const table: [name: string, request: string, expected: object][] = [
    ['no arguments, no message', 'VERSION\tscript\t4\t0\n-\n\n', { args: [], message: '' }],
    [
      'no reply wanted',
      'VERSION\tscript\t4\t0\nnoreply\n\nx',
      { wantsStatus: false, message: 'x' },
    ],
    [
      'anything else stands for a reply',
      'VERSION\tscript\t4\t0\nreply?\n\n',
      { wantsStatus: true },
    ],
    [
      'version 3, of Pigeonhole 0.4',
      'VERSION\tscript\t3\t0\n-\na\n\nx',
      { args: ['a'], message: 'x' },
    ],
    ['a later minor version', 'VERSION\tscript\t4\t7\n-\n\n', {}],
    [
      'an alarm, as other programs of Dovecot set it',
      'VERSION\tscript\t4\t0\nalarm=10\nenv_A=b\nnoreply\n\n',
      { env: [['A', 'b']], wantsStatus: false },
    ],
    [
      'a value over several lines',
      'VERSION\tscript\t4\t0\nenv_A=b\x01nc\n-\n\n',
      { env: [['A', 'b\nc']] },
    ],
    [
      'an argument that looks like an environment line',
      'VERSION\tscript\t4\t0\n-\nenv_A=b\n\n',
      { env: [], args: ['env_A=b'] },
    ],
    // program-client-remote.c writes an empty argument as an empty line, which ends the header.
    [
      'an empty argument',
      'VERSION\tscript\t4\t0\n-\na\n\nb\n\nx',
      { args: ['a'], message: 'b\n\nx' },
    ],
  ];
  for (const [name, request, expected] of table) {
    test(name, () => {
      const result = read([octets(request)]);
      assert.deepEqual({ ...result, ...expected }, result);
    });
  }

  const broken: [request: string, reason: RegExp][] = [
    ['', /within the header/],
    ['VERSION\tscript\t4\t0\n', /within the header/],
    ['VERSION\tscript\t4\t0\n-\n', /within the header/],
    ['VERSION\tscript\t4\t0\n-\narg', /within the header/],
    ['VERSION\tscript\t5\t0\n-\n\n', /no version line of script protocol 3 or 4/],
    ['VERSION\tscript\t2\t0\n-\n\n', /no version line/],
    ['VERSION\tdict\t4\t0\n-\n\n', /no version line/],
    ['H3\t2\t0\t\tcoi\n', /no version line/],
    ['\n', /no version line/],
    ['VERSION\tscript\t4\t0\n\n\n', /neither "-" nor "noreply"/],
    ['VERSION\tscript\t4\t0\nenv_USER\n-\n\n', /without NAME=/],
    ['VERSION\tscript\t4\t0\nenv_=x\n-\n\n', /without NAME=/],
  ];
  for (const [request, reason] of broken) {
    test(`${JSON.stringify(request)} is no request`, () => {
      assert.throws(
        () => read([octets(request)]),
        (error: Error) => {
          assert.ok(error instanceof ScriptProtocolError);
          assert.match(error.message, reason);
          return true;
        },
      );
    });
  }

  test('takes a header of exactly the limit and refuses one octet more', () => {
    const request = (length: number) => {
      const head = 'VERSION\tscript\t4\t0\n-\n';
      return octets(`${head}${'x'.repeat(length - head.length - 2)}\n\nmessage`);
    };
    const limit = SOCKET_LIMITS.scriptHeaderOctets;
    assert.equal(read([request(limit)]).message, 'message');
    const refusal = new RegExp(`a header longer than ${limit} octets`);
    assert.throws(() => read([request(limit + 1)]), refusal);
    const many = octets(`VERSION\tscript\t4\t0\n-\n${'arg\n'.repeat(limit / 4)}`);
    assert.throws(() => read([many]), refusal);
    assert.throws(() => read([octets('x'.repeat(2 * limit))]), refusal);
  });

  test('keeps a message up to the limit, and nothing beyond', () => {
    const head = octets('VERSION\tscript\t4\t0\n-\n\n');
    const message = (length: number, pieces: number) =>
      Array.from({ length: pieces }, () => octets('m'.repeat(length / pieces)));
    for (const pieces of [1, 2, 50]) {
      for (const beyond of ['', 'x']) {
        const chunks = [head, ...message(100, pieces), octets(beyond)];
        assert.equal(read(chunks, { maxMessageOctets: 100 }).message, 'm'.repeat(100));
      }
    }
    assert.equal(
      read([Buffer.concat([head, octets('m'.repeat(101))])], { maxMessageOctets: 100 }).message
        .length,
      100,
    );
  });

  test('has begun with the first octet', () => {
    const reader = new ScriptRequestReader();
    assert.equal(reader.begun, false);
    reader.push(octets('V'));
    assert.equal(reader.begun, true);
    reader.push(octets('ERSION\tscript\t4\t0\n'));
    assert.equal(reader.begun, true);
  });

  test('any request comes through as it was written, in any chunks', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 10 });
    const name = fc.stringMatching(/^[A-Z_]{1,8}$/);
    const argument = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 });
    const message = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(
        fc.dictionary(name, text, { maxKeys: 4 }),
        fc.array(argument, { maxLength: 4 }),
        message,
        fc.array(fc.nat(40), { maxLength: 4 }),
        (env, args, message, cuts) => {
          const line = (text: string) =>
            Buffer.concat([tabEscape(Buffer.from(text)), octets('\n')]);
          let rest = Buffer.concat([
            octets('VERSION\tscript\t4\t0\n'),
            ...Object.entries(env).map(([name, value]) => line(`env_${name}=${value}`)),
            octets('-\n'),
            ...args.map(line),
            octets('\n'),
            message,
          ]);
          const reader = new ScriptRequestReader();
          for (const cut of cuts) {
            reader.push(rest.subarray(0, cut));
            rest = rest.subarray(cut);
          }
          reader.push(rest);
          const request = reader.end();
          assert.deepEqual(new Map(request.env), new Map(Object.entries(env)));
          assert.deepEqual(request.args, args);
          assert.ok(request.message.equals(message));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('any octets are a request or a ScriptProtocolError', () => {
    const line = fc.oneof(
      fc.uint8Array({ maxLength: 8 }).map((array) => Buffer.from(array).toString('latin1')),
      fc.constantFrom('VERSION\tscript\t4\t0', '-', 'noreply', '', 'env_A=b', 'env_A', 'alarm=1'),
    );
    fc.assert(
      fc.property(fc.boolean(), fc.array(line, { maxLength: 6 }), (greets, lines) => {
        const text = [...(greets ? ['VERSION\tscript\t4\t0'] : []), ...lines].join('\n');
        try {
          read([octets(text)]);
        } catch (error) {
          assert.ok(error instanceof ScriptProtocolError, String(error));
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
