import { after, before, describe } from 'node:test';
import { dovecotVersions } from '../../support/dovecot-versions.ts';
import { startDoctorRig, type DoctorRig } from '../../support/doctor-rig.ts';
import { testSeededFaults } from './test-seeded-faults.ts';

const skip = dovecotVersions.find(({ version }) => version === '2.4')?.skip ?? false;

describe('coi-sidecar doctor, Dovecot 2.4', { skip }, () => {
  let rig: DoctorRig;
  before(async () => {
    rig = await startDoctorRig({ version: '2.4' });
  });
  after(() => rig.close());

  describe('finds', () => testSeededFaults('2.4', () => rig));
});
