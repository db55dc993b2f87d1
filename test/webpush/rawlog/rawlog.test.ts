import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/logging.ts';
import type { Exchange } from '../../../src/webpush/client/exchange.ts';
import { createRawlog } from '../../../src/webpush/rawlog/create-rawlog.ts';
import { formatExchange } from '../../../src/webpush/rawlog/format-exchange.ts';
import { checkRawlogDir, expandRawlogDir } from '../../../src/webpush/rawlog/rawlog-dir.ts';
import { removeRawlogs } from '../../../src/webpush/rawlog/remove-rawlogs.ts';
import { teardownOf } from '../../support/create-teardown.ts';

const exchange = (changes: Partial<Exchange> = {}): Exchange => ({
  user: 'alice@example.org',
  request: {
    url: new URL('https://push.example.net/send/secret-path?token=secret-token'),
    target: '/send/secret-path?token=secret-token',
    headers: { TTL: '60', Authorization: 'vapid t=aGVhZA.Y2xhaW1z.c2VjcmV0, k=cG9pbnQ' },
    body: Buffer.alloc(100, 0xab),
  },
  startedAt: Date.UTC(2026, 0, 15, 12),
  elapsedMsecs: 12.34,
  result: { kind: 'response', status: 201 },
  response: {
    headers: { location: 'https://push.example.net/message/secret-message', 'x-many': ['a', 'b'] },
    body: Buffer.from('stored for secret-path'),
  },
  ...changes,
});

describe('formatExchange', () => {
  it('has request and answer with headers and bytes, in the order of the wire', () => {
    const body = Buffer.alloc(100, 0xab).toString('base64');
    assert.deepEqual(formatExchange(exchange()).split('\n').slice(5), [
      'POST https://push.example.net/…(35 characters masked) HTTP/1.1',
      'host: push.example.net',
      'TTL: 60',
      'Authorization: vapid t=aGVhZA.Y2xhaW1z.…(signature masked), k=cG9pbnQ',
      'content-length: 100',
      '',
      body.slice(0, 76),
      body.slice(76),
      '',
      'HTTP/1.1 201',
      'location: …(masked)',
      'x-many: a',
      'x-many: b',
      '',
      'stored for …',
      '',
    ]);
  });

  it('contains no secret', () => {
    const text = formatExchange(exchange());
    assert.doesNotMatch(text, /secret|c2VjcmV0/);
  });

  it('says why there was no answer', () => {
    const rest = exchange();
    delete rest.response;
    const result = { kind: 'failed', reason: 'timeout', detail: 'ETIMEDOUT' } as const;
    assert.match(formatExchange({ ...rest, result }), /# no answer: timeout \(ETIMEDOUT\)\n$/);
  });

  it('shows an answer that is not text in base64', () => {
    const response = { headers: {}, body: Buffer.of(0xff, 0, 1) };
    assert.match(formatExchange(exchange({ response })), /base64:\n\/wAB\n$/);
  });

  it('keeps a user on his line', () => {
    assert.match(formatExchange(exchange({ user: 'a\nPOST b' })), /^# user: "a\\nPOST b"$/m);
  });
});

describe('expandRawlogDir', () => {
  for (const [user, segment] of [
    ['alice@example.org', 'alice@example.org'],
    ['..', '%2E.'],
    ['.', '%2E'],
    ['../../etc/passwd', '%2E.%2F..%2Fetc%2Fpasswd'],
    ['a/b', 'a%2Fb'],
    ['a\0b', 'a%00b'],
    ['a%2Fb', 'a%252Fb'],
    ['jürgen', 'j%C3%BCrgen'],
    ['', '%'],
    ['$&', '%24%26'],
  ] as const) {
    it(`makes ${JSON.stringify(user)} a single segment`, () => {
      assert.equal(expandRawlogDir('/logs/%u/push', user), `/logs/${segment}/push`);
    });
  }

  it('stays below the directory, whatever the user is called, and mixes up no two users', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.string({ maxLength: 60 }), (one, other) => {
        const path = join(expandRawlogDir('/logs/%u', one), 'file');
        assert.equal(path.split(sep).length, 4, path);
        assert.ok(path.startsWith('/logs/'));
        if (one !== other) {
          assert.notEqual(path, join(expandRawlogDir('/logs/%u', other), 'file'));
        }
      }),
    );
  });
});

describe('rawlog directories', () => {
  let dir = '';
  const log = createLogger('silent');
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-rawlog-'));
    await writeFile(join(dir, 'file'), '');
    await mkdir(join(dir, 'plain'));
    await mkdir(join(dir, 'alice@example.org'));
    await mkdir(join(dir, 'sealed'));
    await chmod(join(dir, 'sealed'), 0o500);
  });
  after(() => rm(dir, { recursive: true }));

  for (const [template, taken] of [
    ['', true],
    ['plain', true],
    ['%u', true],
    ['plain/%u/push', true],
    ['none', false],
    ['none/%u', false],
    ['file', false],
    ['file/%u', false],
    ['plain/%n', false],
    ['plain/%u-%d', false],
  ] as const) {
    it(`checkRawlogDir ${taken ? 'takes' : 'refuses'} "${template}"`, async () => {
      const path = template === '' ? '' : join(dir, template);
      if (taken) await checkRawlogDir(path);
      else await assert.rejects(checkRawlogDir(path), InvalidInputError);
    });
  }

  const skip = process.getuid?.() === 0 && 'root may write everywhere';
  it('checkRawlogDir refuses what is not writable', { skip }, async () => {
    await assert.rejects(checkRawlogDir(join(dir, 'sealed')), /not writable/);
  });

  it('writes one file per exchange, for nobody else to read', async () => {
    const rawlog = createRawlog(join(dir, 'plain'), log);
    rawlog.write(exchange());
    rawlog.write(exchange());
    await rawlog.flush();
    const names = (await readdir(join(dir, 'plain'))).sort();
    assert.equal(names.length, 2);
    assert.match(names[0]!, /^2026-01-15T120000\.000Z-000001-\d+-push\.example\.net\.log$/);
    const path = join(dir, 'plain', names[0]!);
    assert.equal(await readFile(path, 'utf8'), formatExchange(exchange()));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it('writes for users who have a directory, and for no others', async () => {
    const rawlog = createRawlog(join(dir, '%u'), log);
    rawlog.write(exchange());
    rawlog.write(exchange({ user: 'bob' }));
    rawlog.write(exchange({ user: '../plain' }));
    await rawlog.flush();
    assert.equal((await readdir(join(dir, 'alice@example.org'))).length, 1);
    assert.deepEqual((await readdir(dir)).sort(), ['alice@example.org', 'file', 'plain', 'sealed']);
  });
});

describe('removing the rawlogs of a user', () => {
  const log = createLogger('silent');
  const files = async (dir: string): Promise<string[]> => (await readdir(dir)).sort();

  it('takes theirs out of a directory that all share', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'coi-rawlog-'));
    teardownOf(t).defer(() => rm(dir, { recursive: true }));
    const rawlog = createRawlog(dir, log);
    for (const user of ['bob', 'eve', 'bob', 'bobby']) rawlog.write({ ...exchange(), user });
    await rawlog.flush();
    await writeFile(join(dir, 'notes.txt'), '# user: "bob"\n');
    assert.equal(await removeRawlogs(dir, 'bob'), 2);
    assert.equal((await files(dir)).length, 3);
    assert.equal(await removeRawlogs(dir, 'bob'), 0);
  });

  it('removes their directory, unless something else is in it', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'coi-rawlog-'));
    teardownOf(t).defer(() => rm(dir, { recursive: true }));
    const rawlog = createRawlog(join(dir, '%u'), log);
    for (const user of ['bob', 'eve']) {
      await mkdir(join(dir, user));
      rawlog.write({ ...exchange(), user });
    }
    await rawlog.flush();
    await writeFile(join(dir, 'eve', 'notes.txt'), '');
    for (const user of ['bob', 'eve']) assert.equal(await removeRawlogs(join(dir, '%u'), user), 1);
    assert.deepEqual(await files(dir), ['eve']);
    assert.deepEqual(await files(join(dir, 'eve')), ['notes.txt']);
    assert.equal(await removeRawlogs(join(dir, '%u'), 'nobody'), 0);
  });
});

describe("what a user puts into a rawlog's place", () => {
  const log = createLogger('silent');
  const newDir = async (t: TestContext): Promise<string> => {
    const dir = await mkdtemp(join(tmpdir(), 'coi-rawlog-'));
    teardownOf(t).defer(() => rm(dir, { recursive: true }));
    return dir;
  };

  it('blocks no file operation and is not removed: FIFOs, links, sockets, directories', async (t) => {
    const dir = await newDir(t);
    const outside = join(dir, 'outside.log');
    await writeFile(outside, '# user: "bob"\n\n');
    await mkdir(join(dir, 'bob'));
    for (let n = 0; n < 8; n++) execFileSync('mkfifo', ['-m', '666', join(dir, 'bob', `${n}.log`)]);
    await symlink(outside, join(dir, 'bob', 'link.log'));
    await mkdir(join(dir, 'bob', 'directory.log'));
    const server = createServer().listen(join(dir, 'bob', 'socket.log'));
    await once(server, 'listening');
    const template = join(dir, '%u');
    const rawlog = createRawlog(template, log);
    rawlog.write(exchange({ user: 'bob' }));
    await rawlog.flush();
    // Each of the four threads would wait for a FIFO's other end, and this for them.
    const removed = removeRawlogs(template, 'bob');
    const late = setTimeout(() => process.exit(1), 20_000);
    assert.equal(await removed, 1);
    clearTimeout(late);
    assert.equal((await readdir(join(dir, 'bob'))).length, 11);
    assert.equal(await readFile(outside, 'utf8'), '# user: "bob"\n\n');
    server.close();
  });

  const skip = process.getuid?.() !== 0 && 'only root can give a link to somebody';
  it(
    'is not written through: a link to a directory, unless the administrator made it',
    { skip },
    async (t) => {
      const dir = await newDir(t);
      await mkdir(join(dir, 'target'));
      await symlink(join(dir, 'target'), join(dir, 'bob'));
      await writeFile(join(dir, 'target', 'old.log'), '# user: "bob"\n\n');
      const template = join(dir, '%u');
      const write = async (): Promise<number> => {
        const rawlog = createRawlog(template, log);
        rawlog.write(exchange({ user: 'bob' }));
        await rawlog.flush();
        return (await readdir(join(dir, 'target'))).length;
      };
      await lchown(join(dir, 'bob'), 65_534, 65_534);
      assert.equal(await write(), 1, 'a link of the user');
      await assert.rejects(removeRawlogs(template, 'bob'), /cannot be removed/);
      assert.equal(await write(), 1);
      await lchown(join(dir, 'bob'), 0, 0);
      assert.equal(await write(), 2, 'a link of root');
      assert.equal(await removeRawlogs(template, 'bob'), 2);
    },
  );

  it('is not written to: a FIFO or a file in place of the directory', async (t) => {
    const dir = await newDir(t);
    execFileSync('mkfifo', [join(dir, 'bob')]);
    await writeFile(join(dir, 'eve'), '');
    const rawlog = createRawlog(join(dir, '%u'), log);
    for (const user of ['bob', 'eve']) rawlog.write(exchange({ user }));
    await rawlog.flush();
    assert.deepEqual((await readdir(dir)).sort(), ['bob', 'eve']);
  });
});
