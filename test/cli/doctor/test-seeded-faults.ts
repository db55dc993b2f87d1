import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DovecotVersion } from '../../../src/cli/demo/dovecot-release.ts';
import { faultsOf, type DoctorRig } from '../../support/doctor-rig.ts';
import { seededFaults, type Examine } from './seeded-faults.ts';

/** A test for each fault that can be broken on this version: it is found, and nothing else is. */
export function testSeededFaults(version: DovecotVersion, rig: () => DoctorRig): void {
  for (const seed of seededFaults) {
    const { fault, cause, versions = ['2.3', '2.4'], along = [], says, skip = false } = seed;
    if (!versions.includes(version)) continue;
    const name = cause === undefined ? fault : `${fault}: ${cause}`;
    test(name, { skip }, async () => {
      const only = seed.only ?? [fault.split('.')[0] ?? ''];
      const examine: Examine = (examination, shown = rig()) =>
        shown.examine({ only, ...examination });
      const broken = seed.break(rig(), examine);
      const report = broken instanceof Promise ? await broken : await examine(broken);
      assert.deepEqual(faultsOf(report).sort(), [fault, ...along].sort(), JSON.stringify(report));
      const finding = report.checks
        .flatMap(({ findings }) => findings)
        .find((one) => one.fault === fault);
      if (says !== undefined) assert.match(finding?.message ?? '', says);
      assert.notEqual(finding?.remedy, '');
      assert.notEqual(report.verdict, 'ok');
      const { token } = rig().stage.dovecot.sidecar;
      const secrets = [token, rig().stage.dovecot.doveadm.apiKey, 'an-admin-token-for-tests'];
      const text = JSON.stringify(report);
      for (const secret of secrets)
        assert.ok(!text.includes(secret), 'a secret stands in the report');
    });
  }
}
