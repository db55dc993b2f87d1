import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { makeTempDir } from './stores/make-temp-dir.ts';
import { teardownOf } from './support/create-teardown.ts';

const SOURCE = JSON.stringify(new URL('../src/logging.ts', import.meta.url).href);
const LINES = 5_000;

/** Runs a program that has a `log`; its standard error is what the test hears. */
async function run(stdout: number | 'pipe', program: string) {
  const script = `
    const { setTimeout: sleep } = await import('node:timers/promises');
    const { createLogger } = await import(${SOURCE});
    const log = createLogger('info');
    ${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', stdout, 'pipe'],
    timeout: 60_000,
  });
  const output = child.stdout === null ? '' : text(child.stdout);
  const [stderr, [exitCode]] = await Promise.all([
    text(child.stderr!),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { exitCode, stderr, stdout: await output };
}

async function openForWriting(test: TestContext, path: string): Promise<number> {
  const file = await open(path, 'a');
  teardownOf(test).defer(() => file.close());
  return file.fd;
}

function tempFile(test: TestContext): string {
  const directory = makeTempDir();
  teardownOf(test).defer(directory.remove);
  return join(directory.path, 'log');
}

const writeLines = `for (let n = 0; n < ${LINES}; n++) log.info({ n }, 'a line');`;
const numbers = (log: string): unknown[] =>
  log
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { n: unknown }).n);
const ALL = Array.from({ length: LINES }, (_, n) => n);

describe('the log on standard output', () => {
  for (const end of ['', 'process.exit(0);', "throw new Error('on purpose');"]) {
    it(`is whole after ${end || 'an ordinary end'}`, async (test) => {
      const path = tempFile(test);
      await run(await openForWriting(test, path), writeLines + end);
      assert.deepEqual(numbers(await readFile(path, 'utf8')), ALL);
      const { stdout } = await run('pipe', writeLines + end);
      assert.deepEqual(numbers(stdout), ALL);
    });
  }

  for (const end of ['', 'process.exit(0);']) {
    it(`harms nobody on a full disk, with ${end || 'an ordinary end'}`, async (test) => {
      const full = await openForWriting(test, '/dev/full');
      const program = `
        for (let turn = 0; turn < 3; turn++) { log.info('lost'); await sleep(10); }
        console.error('still here');
        log.info('the last');`;
      const { exitCode, stderr } = await run(full, program + end);
      assert.equal(stderr, 'still here\n');
      assert.equal(exitCode, 0);
    });
  }

  it('takes no more memory than it may while nothing can be written', async (test) => {
    const full = await openForWriting(test, '/dev/full');
    const program = `
      const before = process.memoryUsage().rss;
      for (let n = 0; n < 100; n++) { log.info('x'.repeat(1_000_000)); await sleep(1); }
      console.error(process.memoryUsage().rss - before < 50_000_000);`;
    assert.equal((await run(full, program)).stderr, 'true\n');
  });
});
