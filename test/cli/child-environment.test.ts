import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { startProcessGroup } from '../../src/cli/demo/process-group.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { eventually } from '../support/start-stage.ts';
import { teardownOf } from '../support/create-teardown.ts';

it('no program that we start finds our options and passwords in its environment', async (test) => {
  const secrets = {
    COI_SIDECAR_HTTP_TOKEN: 'secret-token',
    COI_DOCTOR_PASSWORD: 'secret-password',
  };
  Object.assign(process.env, secrets);
  teardownOf(test).defer(() => {
    for (const name of Object.keys(secrets)) Reflect.deleteProperty(process.env, name);
  });
  const { stdout } = await runCommand('env', []);
  assert.match(stdout, /^PATH=/m);
  assert.doesNotMatch(stdout, /secret-/);

  const dir = await mkdtemp(join(tmpdir(), 'coi-env-'));
  teardownOf(test).defer(() => rm(dir, { recursive: true, force: true }));
  const group = startProcessGroup('sh', ['-c', 'env >&2'], dir);
  teardownOf(test).defer(() => group.stop());
  await eventually(() => assert.match(group.complaint(), /^PATH=/m));
  assert.doesNotMatch(group.complaint(), /secret-/);
});
