import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../../src/cli/doctor/report.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { startDoctorRig, type DoctorRig, type Examination } from '../../support/doctor-rig.ts';
import { dovecotVersions } from '../../support/dovecot-versions.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
// The command finds the doveconf that is installed, so the rig is of that version.
const skip = dovecotVersions.every((one) => one.skip !== false) && 'no Dovecot here';

describe('the command coi-sidecar doctor', { skip }, () => {
  let rig: DoctorRig;
  const teardown = createTeardown();
  before(async () => {
    rig = await startDoctorRig();
    teardown.defer(() => rig.close());
  });

  /** As an administrator runs it: a process of its own. */
  async function run(
    args: readonly string[],
    examination: Examination = {},
    env: Record<string, string> = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const { config, dovecot } = await rig.writeFiles(examination);
    const files = ['--config', config, '--dovecot-config', dovecot];
    return new Promise((resolve) => {
      const options = { env: { ...process.env, ...env } };
      const all = [MAIN, 'doctor', ...files, ...args];
      execFile(process.execPath, all, options, (error, stdout, stderr) => {
        resolve({ code: Number(error?.code ?? 0), stdout, stderr });
      });
    });
  }

  it('all well: a line for each check, a summary, exit code 0', async () => {
    const { code, stdout, stderr } = await run([]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^coi-sidecar doctor \d/);
    assert.match(stdout, /\nThe service\n ✓ The configuration is good/);
    assert.match(stdout, /\n - A chat message is filed.*\n {5}- no scratch user was named/);
    assert.match(stdout, /\n\n\d+ checks: \d+ good, 2 not made\.\n$/);
    assert.ok(!stdout.includes('\u001b'), 'colours are for terminals');
  });

  it('a warning: exit code 1', async () => {
    const { code, stdout } = await run([], { config: { webpush: { vapid_subject: '' } } });
    assert.equal(code, 1, stdout);
    assert.match(
      stdout,
      /\n ! The configuration is good.*\n {5}! webpush\.vapid_subject is empty.*\n {7}→ Set webpush\.vapid_subject/,
    );
    assert.match(stdout, /1 with warnings/);
  });

  it('an error: exit code 2, and what to do beneath it', async () => {
    const { code, stdout } = await run([], { config: { doveadm: { api_key: 'another' } } });
    assert.equal(code, 2, stdout);
    assert.match(
      stdout,
      /\n ✗ The doveadm API answers.*\n {5}✗ .*refused our key.*\n {7}→ Set doveadm/,
    );
    assert.match(stdout, /1 with errors/);
    assert.ok(!stdout.includes(rig.stage.dovecot.doveadm.apiKey));
  });

  it('a configuration that cannot be used: each problem, and exit code 2', async () => {
    const broken = join(rig.dir, 'broken.yaml');
    await writeFile(broken, '{"http":{"lisen":"x"},"spol":{}}', { mode: 0o600 });
    const { code, stdout } = await run(['--config', broken]);
    assert.equal(code, 2);
    assert.match(stdout, /http\.lisen: unknown key; did you mean http\.listen\?/);
    assert.match(stdout, /spol: unknown section; did you mean spool\?/);
    assert.match(stdout, /the configuration cannot be used/);
  });

  it('--json: the report for machines', async () => {
    const { code, stdout } = await run(['--json', '--only', 'service', '--only', 'metadata']);
    assert.equal(code, 0);
    const report = JSON.parse(stdout) as Report;
    assert.match(report.dovecot ?? '', /^2\.[34]\./);
    assert.deepEqual(report.counts, { ok: 2, warning: 0, error: 0, skipped: 0 });
    assert.deepEqual(
      report.checks.map(({ name }) => name),
      ['service', 'metadata'],
    );
    assert.deepEqual(Object.keys(report).sort(), [
      ...['checks', 'counts', 'dovecot', 'verdict', 'version'],
    ]);
  });

  for (const [how, args, env] of [
    ['in the environment', [], { COI_DOCTOR_PASSWORD: 'secret' }],
    ['in a file', ['--password-file', 'password'], {}],
    ['nowhere', [], {}],
  ] as [string, string[], Record<string, string>][]) {
    it(`a trip with the password ${how}`, async () => {
      const file = join(rig.dir, 'password');
      await writeFile(file, 'secret\n', { mode: 0o600 });
      const named = args.map((arg) => (arg === 'password' ? file : arg));
      const user = rig.stage.freshUser();
      const { code, stdout } = await run(['--user', user, '--only', 'trip', ...named], {}, env);
      assert.equal(code, 0, stdout);
      const by = how === 'nowhere' ? 'doveadm' : 'IMAP';
      assert.ok(stdout.includes(`${user}: annotations by ${by}`), stdout);
      assert.match(stdout, /pushed \d+ ms later, and decrypted/);
      assert.ok(!stdout.includes('secret'));
    });
  }

  for (const [what, args, says] of [
    ['an unknown option', ['--usr', 'bob'], /Unknown option '--usr'/],
    ['an unknown check', ['--only', 'evnts'], /there is no check "evnts"/],
    ['no origin', ['--reach', 'push.example.org'], /write it like https:\/\//],
    ['no address', ['--lmtp', 'localhost'], /write it like "127\.0\.0\.1:9380"/],
    ['no password file', ['--password-file', '/nowhere'], /cannot read the password/],
  ] as [string, string[], RegExp][]) {
    it(`${what}: exit code 2, on standard error`, async () => {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, says);
    });
  }
});
