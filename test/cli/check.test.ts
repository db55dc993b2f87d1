import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/demo/run-command.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const good = { http: { token: 'a-token-for-tests' }, doveadm: { api_key: 'key' } };

describe('coi-sidecar check', () => {
  let file: string;
  before(async () => {
    file = join(await mkdtemp(join(tmpdir(), 'coi-check-')), 'coi-sidecar.yaml');
  });
  after(() => rm(join(file, '..'), { recursive: true }));

  async function check(config: object) {
    await writeFile(file, JSON.stringify(config));
    return runCommand(process.execPath, [MAIN, 'check', '--config', file]);
  }

  it('is content with what the service starts with', async () => {
    const { exitCode, stdout } = await check(good);
    assert.equal(exitCode, 0);
    assert.equal(stdout, 'The configuration is good.\n');
  });

  it('says all at once what the configuration’s rules are against', async () => {
    const { exitCode, stderr } = await check({ http: { listn: 'x' }, webpush: { padding: 7 } });
    assert.equal(exitCode, 1);
    for (const problem of ['http.listn', 'webpush.padding']) {
      assert.ok(stderr.includes(problem), stderr);
    }
  });

  it('says all at once what the service would refuse at its start', async () => {
    const { exitCode, stderr } = await check({
      ...good,
      webpush: {
        vapid_subject: 'mailto:postmaster@localhost',
        allow_private_endpoints: ['10.0.0.0/99'],
        rawlog_dir: '/nowhere/at/all',
        proxy_url: 'http://proxy.example.org/a/path',
      },
    });
    assert.equal(exitCode, 1);
    for (const problem of ['vapid_subject', '10.0.0.0/99', 'rawlog_dir', 'proxy_url']) {
      assert.ok(stderr.includes(problem), stderr);
    }
  });
});
