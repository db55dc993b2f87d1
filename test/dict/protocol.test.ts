import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DictProtocolError } from '../../src/dict/dict-protocol-error.ts';
import { DictSession, type DictSessionOptions } from '../../src/dict/protocol.ts';
import { InvalidInputError, UnavailableError } from '../../src/errors.ts';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';
import { recordingLog } from '../socket/socket-test-support.ts';
import { ManualBackend, MapBackend, newBudget } from './dict-test-support.ts';

const HELLO_2_3 = 'H3\t2\t0\t\tcoi\n';
const HELLO_2_4 = 'H4\t0\t0\t\tcoi\n';

const octets = (text: string) => Buffer.from(text, 'latin1');
/** Lets everything run that waits for nothing but promises. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

function start<Backend extends ManualBackend | MapBackend>(
  backend: Backend,
  options: Partial<DictSessionOptions> = {},
) {
  const sent: Buffer[] = [];
  const observed: string[] = [];
  const clock = { time: 1_700_000_000_123, now: () => clock.time, monotonic: () => clock.time - 5 };
  const log = recordingLog();
  const session = new DictSession({
    backend,
    clock,
    log,
    budget: newBudget(),
    send: (reply) => sent.push(reply),
    observe: (command, result, msecs) => observed.push(`${command} ${result} ${msecs}`),
    ...options,
  });
  return {
    session,
    backend,
    clock,
    log,
    observed,
    push: (text: string) => session.push(octets(text)),
    /** What was sent since the last call. */
    replies: async () => {
      await settled();
      return Buffer.concat(sent.splice(0)).toString('latin1');
    },
  };
}

/** A session that said hello and answers from a map. */
function greeted(hello = HELLO_2_3, options: Partial<DictSessionOptions> = {}) {
  const started = start(new MapBackend(), options);
  started.push(hello);
  return started;
}

describe('DictSession: hello', () => {
  for (const hello of ['H2\t2\t0\tanna\tcoi\n', 'H3\t0\t0\t\tcoi\n', HELLO_2_3, HELLO_2_4]) {
    test(`${JSON.stringify(hello)} is taken and not answered`, async () => {
      const { push, replies } = start(new MapBackend());
      push(hello);
      assert.equal(await replies(), '');
      push('Lpriv/a\tanna\n');
      assert.equal(await replies(), 'N\n');
    });
  }

  test('protocol 2 (Dovecot up to 2.3.16) names the user once and for all', async () => {
    const { push, backend, replies } = start(new MapBackend());
    push('H2\t2\t0\tanna\tcoi\nB1\nS1\tpriv/a\tv\nC1\nLpriv/a\nI1\t0\tpriv/\n');
    assert.equal(await replies(), 'O1\nOv\nOpriv/a\tv\n\n');
    assert.equal(backend.commits[0]?.user, 'anna');
  });

  const refused: [input: string, reason: RegExp][] = [
    ['H1\t0\t0\t\tcoi\n', /protocol version 1/],
    ['H5\t0\t0\t\tcoi\n', /protocol version 5; known are 2 to 4/],
    ['Lpriv/a\tanna\n', /no hello/],
    ['GET / HTTP/1.1\r\n', /unknown command "G"/],
    ['\n', /unknown command/],
    [HELLO_2_3 + HELLO_2_3, /a second hello/],
    [`H3\t2\t0\t\t${'x'.repeat(70_000)}`, /longer than 65536 octets/],
    [`${HELLO_2_3}B1\t${'x'.repeat(70_000)}`, /longer than 65536 octets/],
    [`${HELLO_2_3}B1\tanna\nB1\tanna\n`, /transaction 1 begun twice/],
  ];
  for (const [input, reason] of refused) {
    test(`${JSON.stringify(input.slice(0, 40))} ends the connection`, () => {
      const { push } = start(new MapBackend());
      assert.throws(
        () => push(input),
        (error: Error) => {
          assert.ok(error instanceof DictProtocolError);
          assert.match(error.message, reason);
          return true;
        },
      );
    });
  }
});

describe('DictSession: lookup', () => {
  test('O<value>, octet for octet', async () => {
    const { push, backend, replies } = greeted();
    backend.values.set('anna\0priv/a', octets('\x00\x01\t\r\n\xff'));
    backend.values.set('anna\0priv/empty', octets(''));
    push('Lpriv/a\tanna\nLpriv/empty\tanna\n');
    assert.equal(await replies(), 'O\x010\x011\x01t\x01r\x01n\xff\nO\n');
  });

  test('N for what is not there, and for another user', async () => {
    const { push, backend, replies, observed } = greeted();
    backend.values.set('anna\0priv/a', octets('v'));
    push('Lpriv/b\tanna\nLpriv/a\tbob\nLpriv/a\tanna\n');
    assert.equal(await replies(), 'N\nN\nOv\n');
    assert.deepEqual(observed, ['lookup missing 0', 'lookup missing 0', 'lookup ok 0']);
  });

  test('F<error> with the times of the work when the backend fails; the session goes on', async () => {
    const { push, backend, replies, log, clock, observed } = start(new ManualBackend());
    push(`${HELLO_2_3}Lpriv/a\tanna\nLpriv/b\tanna\n`);
    clock.time += 1_500;
    backend.calls[0]!.reject(new UnavailableError('the disk is full'));
    backend.calls[1]!.resolve(undefined);
    assert.equal(
      await replies(),
      // The second is slow, and tells its times too.
      'Fthe disk is full\t1700000000\t123000\t1700000001\t623000\nN\t1700000000\t123000\t1700000001\t623000\n',
    );
    assert.deepEqual(observed, ['lookup failed 1500', 'lookup missing 1500']);
    assert.deepEqual(
      log.lines.map(({ level, user }) => [level, user]),
      [[50, 'anna']],
    );
  });

  test('an error that is not one of ours keeps its text to itself and the log', async () => {
    const { push, backend, replies, log } = start(new ManualBackend());
    push(`H3\t0\t0\t\tcoi\nLpriv/a\tanna\n`);
    backend.calls[0]!.reject(new TypeError('secret'));
    assert.equal(await replies(), 'Finternal error\n');
    assert.match(JSON.stringify(log.lines), /secret/);
  });

  test('a backend that throws instead of rejecting does no more harm', async () => {
    const { push, replies, backend } = greeted();
    backend.lookup = () => {
      throw new InvalidInputError('not like this');
    };
    push('Lpriv/a\tanna\n');
    assert.match(await replies(), /^Fnot like this/);
  });

  const refused: [line: string, error: string][] = [
    ['Lpriv/a\t', 'no user was named'],
    ['Lpriv/a', 'no user was named'],
    ['Lshared/a\t', 'no user was named'],
    ['Lpriv/\xff\tanna', 'the key is not UTF-8'],
    ['Lpriv/a\tann\xff', 'the user is not UTF-8'],
    ['Lother/a\tanna', 'keys begin with priv/ or shared/'],
    ['L\tanna', 'keys begin with priv/ or shared/'],
    [`Lpriv/${'x'.repeat(65_536)}\tanna`, 'longer than 65536 octets in a request'],
  ];
  for (const [line, error] of refused) {
    test(`${JSON.stringify(line.slice(0, 20))}: F${error}`, async () => {
      const { push, replies, observed, log } = greeted();
      push(`${line}\nLpriv/b\tanna\n`);
      assert.equal(await replies(), `F${error}\nN\n`);
      assert.deepEqual(observed, ['lookup refused 0', 'lookup missing 0']);
      assert.deepEqual(
        log.lines.map(({ level }) => level),
        [30],
      );
    });
  }

  test('a request line of exactly the limit is answered', async () => {
    const { push, replies } = greeted();
    push(`Lpriv/${'x'.repeat(SOCKET_LIMITS.dictLineOctets - 11)}\tanna\n`);
    assert.equal(await replies(), 'N\n');
    push(`Lpriv/${'x'.repeat(SOCKET_LIMITS.dictLineOctets - 10)}\tanna\n`);
    assert.match(await replies(), /^Flonger/);
  });
});

describe('DictSession: iterate', () => {
  function withRows() {
    const started = greeted();
    for (const [key, value] of [
      ['priv/a/b', '2\n'],
      ['priv/a/a', '1'],
      ['priv/a/c/d', '3'],
      ['priv/b', '4'],
    ] as const) {
      started.backend.values.set(`anna\0${key}`, octets(value));
    }
    return started;
  }
  const table: [request: string, replies: string][] = [
    ['I0\t0\tpriv/a/\tanna', 'Opriv/a/b\t2\x01n\nOpriv/a/a\t1\n\n'],
    ['I3\t0\tpriv/a/\tanna', 'Opriv/a/a\t1\nOpriv/a/b\t2\x01n\nOpriv/a/c/d\t3\n\n'],
    ['I43\t0\tpriv/a/\tanna', 'Opriv/a/a\t\nOpriv/a/b\t\nOpriv/a/c/d\t\n\n'],
    ['I5\t2\tpriv/a/\tanna', 'Opriv/a/a\t1\nOpriv/a/b\t2\x01n\n\n'],
    ['I16\t0\tpriv/b\tanna', 'Opriv/b\t4\n\n'],
    ['I1\t0\tpriv/none/\tanna', '\n'],
    ['I1\t0\tpriv/a/\tbob', '\n'],
  ];
  for (const [request, expected] of table) {
    test(JSON.stringify(request), async () => {
      const { push, replies } = withRows();
      push(`${request}\n`);
      assert.equal(await replies(), expected);
    });
  }

  test('a row that does not begin with the path would kill the imap process: it is left out', async () => {
    const { push, replies, backend } = withRows();
    // eslint-disable-next-line @typescript-eslint/require-await -- an asynchronous generator
    backend.iterate = async function* () {
      yield ['priv/a/', 'priv/A/x', 'priv/', '', 'xpriv/a/b', 'priv/a/x'].map((key) => ({
        key,
        value: octets('v'),
      }));
    };
    push('I9\t0\tpriv/a/\tanna\n');
    assert.equal(await replies(), 'Opriv/a/\t\nOpriv/a/x\t\n\n');
  });

  for (const [hello, later] of [
    [HELLO_2_4, '*1\n*2\n+2\tN\n'],
    ['H2\t0\t0\tanna\tcoi\n', ''],
  ] as const) {
    test(`pages go out one by one, as fast as they are read (${JSON.stringify(hello)})`, async () => {
      const waiting: (() => void)[] = [];
      const read = (): void => waiting.splice(0).forEach((resolve) => resolve());
      let isFull = false;
      const { push, replies, backend } = greeted(hello, {
        backlog: () => (isFull ? new Promise<void>((resolve) => waiting.push(resolve)) : undefined),
      });
      for (let n = 1; n <= 6; n++) backend.values.set(`anna\0priv/${n}`, octets(`v${n}`));
      backend.pageRows = 2;
      isFull = true;
      push('I1\t0\tpriv/\tanna\n');
      assert.equal(await replies(), 'Opriv/1\tv1\nOpriv/2\tv2\n');
      assert.equal(await replies(), '');
      push('Lpriv/none\tanna\n');
      assert.equal(await replies(), later);
      const prefix = later === '' ? '' : '+1\t';
      read();
      assert.equal(await replies(), `${prefix}Opriv/3\tv3\n${prefix}Opriv/4\tv4\n`);
      read();
      const last = await replies();
      if (later === '') assert.equal(last, 'Opriv/5\tv5\nOpriv/6\tv6\n\nN\n');
      else assert.match(last, /^(\+1\t)?Opriv\/5\tv5\n(\+1\t)?Opriv\/6\tv6\n(\+1\t)?\n$/);
    });
  }

  test('a failure after some pages ends what was begun', async () => {
    const { push, replies, backend } = greeted();
    backend.iterate = async function* () {
      yield await Promise.resolve([{ key: 'priv/1', value: octets('v') }]);
      yield [{ key: 'priv/2', value: octets('v') }];
      throw new UnavailableError('the store is gone');
    };
    push('I1\t0\tpriv/\tanna\nLpriv/none\tanna\n');
    const sent = await replies();
    assert.match(sent, /Opriv\/1\tv\n[^]*F(the store is gone)/);
  });

  test('a peer that reads goes on for as long as it takes; one that does not is given up', async () => {
    let read = (): void => undefined;
    const { push, replies, backend, session, clock } = greeted(HELLO_2_3, {
      replyMsecs: 1_000,
      backlog: () => new Promise<void>((resolve) => (read = resolve)),
    });
    for (let n = 1; n <= 5; n++) backend.values.set(`anna\0priv/${n}`, octets('v'));
    backend.pageRows = 1;
    push('I1\t0\tpriv/\tanna\n');
    for (let n = 1; n <= 3; n++) {
      assert.match(await replies(), new RegExp(`^Opriv/${n}\tv\n$`));
      clock.time += 900;
      session.expire();
      read();
    }
    await replies();
    clock.time += 1_100;
    session.expire();
    assert.match(await replies(), /^Fno answer within 1 s/);
    read();
    assert.equal(await replies(), '');
    assert.equal(session.pending, 0);
  });

  test('keys are escaped', async () => {
    const { push, replies, backend } = greeted();
    backend.values.set('anna\0priv/\té', octets('v'));
    push('I1\t0\tpriv/\x01t\tanna\n');
    assert.equal(await replies(), 'Opriv/\x01t\xc3\xa9\tv\n\n');
  });

  test('the backend learns what is asked for', () => {
    const { push, backend } = start(new ManualBackend());
    push(`${HELLO_2_3}I27\t7\tpriv/a/\tanna\n`);
    const options = { recurse: true, exactKey: true, noValue: true, sort: 'key' };
    assert.deepEqual(
      backend.calls.map(({ user, args }) => [user, ...args]),
      [['anna', 'priv/a/', options]],
    );
  });

  test('F<error> instead of rows', async () => {
    const { push, backend, replies } = start(new ManualBackend());
    push(`H3\t0\t0\t\tcoi\nI1\t0\tpriv/\tanna\nI1\t0\tpriv/\t\n`);
    backend.calls[0]!.reject(new UnavailableError('gone\tfor\nlunch'));
    assert.equal(await replies(), 'Fgone for lunch\nFno user was named\n');
  });

  test('slow rows end in a line with the times alone', async () => {
    const { push, backend, replies, clock } = start(new ManualBackend());
    push(`${HELLO_2_4}I1\t0\tpriv/\tanna\n`);
    clock.time += 100;
    backend.calls[0]!.resolve([{ key: 'priv/a', value: octets('v') }]);
    assert.equal(await replies(), 'Opriv/a\tv\n\t1700000000\t123000\t1700000000\t223000\n');
  });
});

describe('DictSession: transactions', () => {
  test('all changes reach the backend as one commit, in their order', async () => {
    const { push, backend, replies, observed } = greeted(HELLO_2_4);
    push(
      'B1\tanna\t0\nT1\t1700000000\t0\nV1\tyes\nS1\tpriv/a\tx\x01ny\nS1\tshared/b\t\xff\nU1\tpriv/c\nS1\tpriv/a\tz\nC1\n',
    );
    assert.equal(await replies(), 'O1\n');
    assert.deepEqual(backend.commits, [
      {
        user: 'anna',
        changes: [
          { op: 'set', key: 'priv/a', value: octets('x\ny') },
          { op: 'set', key: 'shared/b', value: octets('\xff') },
          { op: 'unset', key: 'priv/c' },
          { op: 'set', key: 'priv/a', value: octets('z') },
        ],
      },
    ]);
    assert.deepEqual(observed, ['commit ok 0']);
  });

  test('N<id> when an increment finds no key', async () => {
    const { push, replies, backend } = greeted();
    push('B7\tanna\nA7\tpriv/n\t-3\nC7\n');
    assert.equal(await replies(), 'N7\n');
    assert.deepEqual(backend.commits[0]?.changes, [{ op: 'increment', key: 'priv/n', by: -3 }]);
  });

  test('F<id>\\t<error> when the commit fails', async () => {
    const { push, replies, backend, log } = start(new ManualBackend());
    push(`H3\t0\t0\t\tcoi\nB3\tanna\nS3\tpriv/a\tv\nC3\n`);
    backend.calls[0]!.reject(new InvalidInputError('endpoint: not a URL'));
    assert.equal(await replies(), 'F3\tendpoint: not a URL\n');
    assert.deepEqual(
      log.lines.map(({ level, reason }) => [level, reason]),
      [[30, 'endpoint: not a URL']],
    );
  });

  test('D answers as C does, behind an A', async () => {
    const { push, replies } = greeted();
    push('B1\tanna\nS1\tpriv/a\tv\nD1\nB2\tanna\nA2\tpriv/n\t1\nD2\n');
    assert.equal(await replies(), 'AO1\nAN2\n');
    push('D3\n');
    assert.match(await replies(), /^AF3\tno transaction 3: [^\t]+\n$/);
  });

  test('R forgets a transaction, and its id can be used again', async () => {
    const { push, backend, replies } = greeted();
    push(
      'B1\tanna\nS1\tpriv/a\tv\nR1\nB1\tanna\nS1\tpriv/b\tv\nC1\nB1\tanna\nS1\tpriv/c\tv\nC1\nR9\n',
    );
    assert.equal(await replies(), 'O1\nO1\n');
    assert.deepEqual(
      backend.commits.map(({ changes }) => changes[0]?.key),
      ['priv/b', 'priv/c'],
    );
  });

  test('many transactions at once keep apart', async () => {
    const { push, backend, replies } = greeted();
    const ids = Array.from({ length: SOCKET_LIMITS.dictOpenTransactions }, (_, id) => id + 1);
    push(ids.map((id) => `B${id}\tuser${id}\n`).join(''));
    push(ids.map((id) => `S${id}\tpriv/${id}\t${id}\n`).join(''));
    push(
      ids
        .toReversed()
        .map((id) => `C${id}\n`)
        .join(''),
    );
    assert.equal(
      await replies(),
      ids
        .toReversed()
        .map((id) => `O${id}\n`)
        .join(''),
    );
    for (const [index, { user, changes }] of backend.commits.toReversed().entries()) {
      assert.equal(user, `user${index + 1}`);
      assert.deepEqual(
        changes.map(({ key }) => key),
        [`priv/${index + 1}`],
      );
    }
  });

  test('of more than may be open the one that rested longest is dropped, and its commit fails', async () => {
    const { push, replies, backend } = greeted();
    const most = SOCKET_LIMITS.dictOpenTransactions;
    for (let id = 1; id <= most; id++) push(`B${id}\tanna\nS${id}\tpriv/${id}\tv\n`);
    push('S1\tpriv/x\tv\nB0\tanna\nS0\tpriv/0\tv\nS2\tpriv/late\tv\nC2\nC1\nC0\nC3\n');
    assert.match(await replies(), /^F2\tno transaction 2: .* dropped .*\nO1\nO0\nO3\n$/);
    assert.deepEqual(
      backend.commits.map(({ changes }) => changes.map(({ key }) => key)),
      [['priv/1', 'priv/x'], ['priv/0'], ['priv/3']],
    );
  });

  test('what all hold is bounded, and what is dropped fails whole', async () => {
    const { push, replies, backend, session } = greeted();
    const value = 'x'.repeat(60_000);
    for (let id = 1; id <= 100; id++) {
      push(`B${id}\tanna\n${`S${id}\tpriv/a\t${value}\n`.repeat(10)}`);
    }
    for (let id = 1; id <= 100; id++) push(`C${id}\n`);
    const answers = (await replies()).trimEnd().split('\n');
    const dropped = answers.filter((line) => line.startsWith('F'));
    assert.equal(dropped.length, 100 - Math.floor(SOCKET_LIMITS.dictConnectionOctets / 603_000));
    assert.equal(backend.commits.length, 100 - dropped.length);
    assert(backend.commits.every(({ changes }) => changes.length === 10));
    assert(session.idle);
  });

  test('one without changes needs no backend', async () => {
    const { push, backend, replies } = greeted();
    push('B1\tanna\nC1\n');
    assert.equal(await replies(), 'O1\n');
    assert.deepEqual(backend.commits, []);
  });

  const failing: [lines: string, error: string][] = [
    ['B1\t\nS1\tpriv/a\tv', 'no user was named'],
    ['B1\tann\xff\nS1\tpriv/a\tv', 'the user is not UTF-8'],
    ['B1\tanna\t60\nS1\tpriv/a\tv', 'values that expire are not supported'],
    ['B1\tanna\nS1\tpriv/\xff\tv\nS1\tpriv/b\tv', 'the key is not UTF-8'],
    ['B1\tanna\nS1\tpriv/a\tv\nU1\tother/b', 'keys begin with priv/ or shared/'],
    [
      `B1\tanna\nS1\tpriv/a\tv\nS1\tpriv/a\t${'x'.repeat(SOCKET_LIMITS.dictValueOctets + 1)}`,
      'the value is longer than 1048576 octets',
    ],
    [
      `B1\tanna\nS1\tpriv/a\tv\nS1\tpriv/a\t${'x'.repeat(SOCKET_LIMITS.dictSetOctets)}`,
      'longer than 2162688 octets in a request',
    ],
    [
      `B1\tanna\nS1\tpriv/a\tv\nU1\tpriv/a${'x'.repeat(65_536)}`,
      'longer than 65536 octets in a request',
    ],
    [
      `B1\tanna\n${`S1\tpriv/a\t${'x'.repeat(60_000)}\n`.repeat(140)}S1\tpriv/a\tv`,
      'the transaction is larger than 8388608 octets',
    ],
    [
      'S1\tpriv/a\tv',
      'no transaction 1: it was not begun, or dropped because too much was open; try again',
    ],
    ['B1\tanna\nS1\tpriv/\xff\tv\nS1\tother/b\tv', 'the key is not UTF-8'],
  ];
  for (const [lines, error] of failing) {
    test(`${JSON.stringify(lines.slice(0, 40))} fails at its commit: ${error}`, async () => {
      const { push, backend, replies } = greeted();
      push(`${lines}\nC1\nB2\tanna\nS2\tpriv/c\tv\nC2\n`);
      assert.equal(await replies(), `F1\t${error}\nO2\n`);
      assert.deepEqual(
        backend.commits.map(({ changes }) => changes.length),
        [1],
      );
    });
  }

  test('a transaction of exactly the limit is committed, one octet more is not', async () => {
    const { push, replies } = greeted();
    // 'priv/a' and its value: 32 KiB.
    const change = `S1\tpriv/a\t${'x'.repeat(32_768 - 6)}`;
    const most = Array(SOCKET_LIMITS.dictTransactionOctets / 32_768)
      .fill(change)
      .join('\n');
    push(`B1\tanna\n${most}\nC1\n`);
    assert.equal(await replies(), 'O1\n');
    push(`B1\tanna\n${most}x\nC1\n`);
    assert.match(await replies(), /^F1\tthe transaction is larger/);
  });
});

describe('DictSession: order and time', () => {
  test('commands reach the backend in their order, without waiting for each other', () => {
    const { push, backend, session } = start(new ManualBackend());
    push(
      `${HELLO_2_3}Lpriv/a\tanna\nB1\tanna\nS1\tpriv/b\tv\nC1\nI1\t0\tpriv/\tanna\nLpriv/c\tbob\n`,
    );
    assert.deepEqual(
      backend.calls.map(({ name }) => name),
      ['lookup', 'commit', 'iterate', 'lookup'],
    );
    assert.equal(session.pending, 4);
  });

  test('answers that come in another order are named (2.1 and later)', async () => {
    const { push, backend, replies } = start(new ManualBackend());
    push(`${HELLO_2_4}Lpriv/a\tanna\nI1\t0\tpriv/\tanna\nB1\tanna\nS1\tpriv/b\tv\nC1\n`);
    const [lookup, iterate, commit] = backend.calls;
    commit!.resolve('committed');
    assert.equal(await replies(), '*1\n*2\n*3\n+3\tO1\n');
    iterate!.resolve([
      { key: 'priv/a', value: octets('1') },
      { key: 'priv/b', value: octets('2') },
    ]);
    assert.equal(await replies(), '+2\tOpriv/a\t1\n+2\tOpriv/b\t2\n+2\t\n');
    lookup!.resolve(octets('v'));
    assert.equal(await replies(), 'Ov\n');
  });

  test('they wait for each other when the client knows no ids (2.0, 3.0)', async () => {
    for (const major of [2, 3]) {
      const { push, backend, replies } = start(new ManualBackend());
      push(`H${major}\t0\t0\tanna\tcoi\nLpriv/a\tanna\nLpriv/b\tanna\n`);
      backend.calls[1]!.resolve(octets('b'));
      assert.equal(await replies(), '');
      backend.calls[0]!.reject(new UnavailableError('no'));
      assert.equal(await replies(), 'Fno\nOb\n');
    }
  });

  test('expire() answers what waited for too long: F, or W for a commit', async () => {
    const { push, session, backend, replies, clock, log, observed } = start(new ManualBackend());
    push(`${HELLO_2_3}Lpriv/a\tanna\nB1\tanna\nS1\tpriv/b\tv\nC1\n`);
    clock.time += 1;
    push('Lpriv/c\tanna\n');
    clock.time += SOCKET_LIMITS.dictReplyMsecs - 2;
    session.expire();
    assert.equal(await replies(), '');
    clock.time += 1;
    session.expire();
    const times = '\t1700000000\t123000\t1700000025\t123000';
    assert.equal(
      await replies(),
      `Fno answer within 25 s${times}\nW1\tno answer within 25 s${times}\n`,
    );
    assert.equal(session.pending, 1);
    assert.deepEqual(observed, ['lookup failed 25000', 'commit failed 25000']);
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      [50, 50],
    );
    // What comes now comes too late, and nobody hears of it.
    backend.calls[0]!.resolve(octets('late'));
    backend.calls[1]!.reject(new UnavailableError('late'));
    backend.calls[2]!.resolve(undefined);
    assert.match(await replies(), /^N\t/);
    assert.equal(log.lines.length, 2);
  });

  test('idle only with nothing begun and nothing unanswered', async () => {
    const { push, session, backend, replies } = start(new ManualBackend());
    assert.equal(session.idle, true);
    push(HELLO_2_3);
    assert.equal(session.idle, true);
    push('Lpriv/a\tan');
    assert.equal(session.idle, false, 'half a line');
    push('na\n');
    assert.equal(session.idle, false, 'a lookup');
    backend.calls[0]!.resolve(undefined);
    await replies();
    assert.equal(session.idle, true);
    push('B1\tanna\n');
    assert.equal(session.idle, false, 'a transaction');
    push('half a li');
    session.endInput();
    assert.equal(session.idle, true, 'nobody can end either any more');
  });

  test('a closed session drops its transactions and answers to nobody', async () => {
    const { push, session, backend, replies } = start(new ManualBackend());
    push(`${HELLO_2_3}B1\tanna\nS1\tpriv/a\tv\nLpriv/a\tanna\n`);
    session.close();
    assert.equal(session.idle, true);
    backend.calls[0]!.resolve(octets('v'));
    assert.equal(await replies(), '');
    assert.deepEqual(
      backend.calls.map(({ name }) => name),
      ['lookup'],
    );
  });
});

describe('DictSession: names that doveadm would take for many users', () => {
  for (const name of ['*', 'ann?', '*@example.org', 'anna\x01n', 'anna\x010']) {
    for (const [what, hello, requests, expected] of [
      ['L', HELLO_2_4, `Lpriv/a\t${name}\n`, /^Fthe user's name contains/],
      ['I', HELLO_2_4, `I1\t0\tpriv/\t${name}\n`, /^Fthe user's name contains/],
      ['B', HELLO_2_4, `B1\t${name}\nS1\tpriv/a\tv\nC1\n`, /^F1\tthe user's name contains/],
      ['the hello', `H2\t2\t0\t${name}\tcoi\n`, 'Lpriv/a\n', /^Fthe user's name contains/],
    ] as const) {
      test(`${JSON.stringify(name)} in ${what} is refused`, async () => {
        const { push, backend, replies } = start(new MapBackend());
        push(hello);
        push(requests);
        assert.match(await replies(), expected);
        assert.deepEqual(backend.commits, []);
      });
    }
  }
});
