import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

const main = new URL('../../src/main.ts', import.meta.url).pathname;
const run = (...args: string[]) => promisify(execFile)(process.execPath, [main, ...args]);

describe('coi-sidecar', () => {
  for (const flag of ['--version', '-v']) {
    it(`${flag} says the version of package.json`, async () => {
      const file = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
      const { version } = JSON.parse(file) as { version: string };
      assert.equal((await run(flag)).stdout, `coi-sidecar ${version}\n`);
    });
  }

  it('lists its commands when asked for help, and when called without any', async () => {
    for (const args of [['--help'], []]) {
      assert.match((await run(...args)).stdout, /^usage: .*\n\n {2}serve /);
    }
  });

  it('says that there is no such command, with exit code 2', async () => {
    await assert.rejects(run('srve'), (error: { code?: number; stderr?: string }) => {
      assert.equal(error.code, 2);
      return /^coi-sidecar: there is no command "srve"\n\nusage: /.test(error.stderr ?? '');
    });
  });
});
