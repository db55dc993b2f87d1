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
import { notRoot } from '../../support/unprivileged.ts';

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
    before: readonly string[] = [],
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const { config, dovecot } = await rig.writeFiles(examination);
    const files = ['--config', config, '--dovecot-config', dovecot];
    return new Promise((resolve) => {
      const options = { env: { ...process.env, ...env } };
      const all = [...before, process.execPath, MAIN, 'doctor', ...files, ...args];
      execFile(all[0] ?? '', all.slice(1), options, (error, stdout, stderr) => {
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
    assert.match(stdout, /\n\n\d+ checks: \d+ good, 2 not asked for\.\n$/);
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

  it('not all could be looked at: exit code 3', async () => {
    const { code, stdout } = await run([], { dovecot: 'libexec_dir = /nowhere' });
    assert.equal(code, 3, stdout);
    assert.match(
      stdout,
      /\n \? Dovecot’s driver tells .*\n {5}- there is no \/nowhere\/dovecot-lda/,
    );
    assert.match(stdout, /3 that could not be made in full/);
  });

  it('as another user than root: the checks that can be made, and which could not', async (t) => {
    if (notRoot !== false) {
      t.skip(notRoot);
      return;
    }
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const listen = new URL(rig.stage.app.url).host;
    const env = {
      COI_SIDECAR_HTTP_LISTEN: listen,
      COI_SIDECAR_EVENTS_DRIVER: 'lua',
      // What the service's own configuration says is not known to them.
      COI_SIDECAR_COI_MAILBOX_SEPARATOR: '.',
    };
    const { code, stdout, stderr } = await run([], {}, env, nobody);
    assert.equal(code, 3, stdout + stderr);
    assert.match(
      stdout,
      /\n \? The configuration is good.*\n {5}- only root and the service may read \S+yaml/,
    );
    assert.match(stdout, /\n ✓ The service finds all that it needs/);
    assert.match(stdout, /\n \? The service takes http\.token .*\n {5}- only root and the service/);
    assert.match(stdout, /\n ✓ Dovecot is of a version that is known here/);
    assert.doesNotMatch(stdout, /✗|EACCES|Correct/);
  });

  describe('--brief, for monitoring: one line first, with numbers behind it', () => {
    for (const [what, examination, status, says] of [
      [
        'all well',
        {},
        0,
        /^OK - \d+ checks: \d+ good, .* \| ok=\d+ warning=0 error=0 unknown=0\n$/,
      ],
      [
        'a warning',
        { config: { webpush: { vapid_subject: '' } } },
        1,
        /^WARNING - configuration\.contact-missing: .* -> Set .* \| ok=\d+ warning=1 error=0 unknown=0\n$/,
      ],
      [
        'an error, which comes first',
        { config: { webpush: { vapid_subject: '' }, doveadm: { api_key: 'another' } } },
        2,
        /^CRITICAL - doveadm-api\.refused: .* \| ok=\d+ .*\nconfiguration\.contact-missing: [^|]*$/,
      ],
      [
        'not all could be looked at',
        { dovecot: 'libexec_dir = /nowhere' },
        3,
        /^UNKNOWN - events-delivery: there is no \S+ \| .* unknown=3\nclassify-delivery: .*\nannotations: [^|]*$/,
      ],
    ] as [string, Examination, number, RegExp][]) {
      it(what, async () => {
        const { code, stdout, stderr } = await run(['--brief'], examination);
        assert.match(stdout, says);
        assert.deepEqual([code, stderr], [status, '']);
      });
    }

    it('called wrongly: not known, and no fault', async () => {
      const { code, stdout, stderr } = await run(['--brief', '--only', 'evnts']);
      assert.deepEqual([code, stderr], [3, '']);
      assert.match(stdout, /^UNKNOWN - coi-sidecar doctor: there is no check "evnts"/);
    });
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
    assert.deepEqual(report.counts, { ok: 2, warning: 0, error: 0, unknown: 0, skipped: 0 });
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
