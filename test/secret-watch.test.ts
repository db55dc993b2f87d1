import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../src/cli/demo/run-command.ts';
import { makeTempDir } from './stores/make-temp-dir.ts';
import { findLeaks } from './support/secret-watch.ts';

const WATCH = fileURLToPath(new URL('support/secret-watch.ts', import.meta.url));
const SECRET = 'not-to-be-shown-anywhere';

/** A test file of its own, run as the suite runs them. */
async function runTestFile(body: string): Promise<{ exitCode: number | null; text: string }> {
  const dir = makeTempDir();
  try {
    const file = join(dir.path, 'made.test.ts');
    await writeFile(
      file,
      `import { test } from 'node:test';
import { createServer } from 'node:http';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import fastify from ${JSON.stringify(import.meta.resolve('fastify'))};
import { registerConfiguration, registerSubscription, watchShown } from ${JSON.stringify(WATCH)};
test('passes', async () => { ${body} });`,
    );
    // A test runner within a test runner would run nothing.
    const { exitCode, stdout, stderr } = await runCommand(
      'env',
      ['-u', 'NODE_TEST_CONTEXT', process.execPath, '--test', file],
      { timeoutMsecs: 60_000 },
    );
    return { exitCode, text: stdout + stderr };
  } finally {
    dir.remove();
  }
}

const TOKEN = `registerConfiguration({ http: { token: '${SECRET}' } });`;
const SUBSCRIPTION = `registerSubscription({
  endpoint: 'https://push.example/${SECRET}', keys: { auth: 'auth-secret-of-a-device' } });`;

describe('a test file that shows a secret', () => {
  const ways: [where: string, kind: string, body: string][] = [
    [
      'log of the service',
      'http.token',
      `${TOKEN} watchShown('log of the service', 'x ${SECRET}');`,
    ],
    [
      'arguments of true',
      'http.token',
      `${TOKEN} await new Promise((done) => execFile('true', ['--token=${SECRET}'], done));`,
    ],
    ['arguments of true', 'http.token', `${TOKEN} spawnSync('true', ['--token=${SECRET}']);`],
    ['arguments of true', 'http.token', `${TOKEN} execFileSync('true', ['--token=${SECRET}']);`],
    [
      'output of check',
      'http.token',
      `${TOKEN} const say = "console.log('x ${SECRET.slice(0, 8)}' + '${SECRET.slice(8)}')";
       await new Promise((done) => execFile(process.execPath, ['-e', say, 'main.ts', 'check'], done));`,
    ],
    [
      'answer 400 of /v1/injected',
      'http.token',
      `${TOKEN} const app = fastify();
       app.get('/v1/injected', (_, reply) => reply.code(400).send('no ${SECRET}'));
       await app.inject('/v1/injected?x=1');`,
    ],
    [
      'answer 401 of /v1/events',
      'http.token',
      `${TOKEN} const server = createServer((_, response) => response.writeHead(401).end('no ${SECRET}'));
       await new Promise((done) => server.listen(0, '127.0.0.1', done));
       await (await fetch('http://127.0.0.1:' + server.address().port + '/v1/events')).text();
       server.close();`,
    ],
    [
      'answer 200 of /metrics',
      'push endpoint',
      `${SUBSCRIPTION} const server = createServer((_, response) => response.end('m{e="/${SECRET}"} 1'));
       await new Promise((done) => server.listen(0, '127.0.0.1', done));
       await (await fetch('http://127.0.0.1:' + server.address().port + '/metrics')).text();
       server.close();`,
    ],
    ['rawlog', 'auth secret', `${SUBSCRIPTION} watchShown('rawlog', 'auth-secret-of-a-device');`],
  ];
  for (const [where, kind, body] of ways) {
    it(`fails: ${kind} in the ${where}`, async () => {
      const { exitCode, text } = await runTestFile(body);
      assert.notEqual(exitCode, 0, text);
      assert.ok(text.includes(`a secret was shown: ${kind} in the ${where}`), text);
      assert.ok(!text.includes(SECRET), 'and does not show it once more');
    });
  }

  it('and passes when it does not', async () => {
    const { exitCode, text } = await runTestFile(`${TOKEN} watchShown('log of the service', 'x');`);
    assert.equal(exitCode, 0, text);
  });
});

describe('looking for secrets', () => {
  it('masks all of them in what it says', () => {
    const known = new Map([
      ['first-of-the-secrets', 'http.token'],
      ['other-of-the-secrets', 'auth secret'],
    ]);
    const text = () => 'other-of-the-secrets and first-of-the-secrets';
    const leaks = findLeaks(known, [{ where: 'rawlog', text }]);
    assert.deepEqual(
      leaks.map(({ around }) => around),
      ['… and …', '… and …'],
    );
  });

  it("leaves a test's own server its password", () => {
    const known = new Map([['p@ss:word-of-redis', 'password in store.url']]);
    const text = () => '--requirepass p@ss:word-of-redis';
    assert.deepEqual(findLeaks(known, [{ where: 'arguments of redis-server', text }]), []);
    assert.equal(findLeaks(known, [{ where: 'log of the service', text }]).length, 1);
  });
});
