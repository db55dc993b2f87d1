import { after, before, describe } from 'node:test';
import { dovecotVersions } from '../../support/dovecot-versions.ts';
import { notRoot } from '../../support/unprivileged.ts';
import { startDoctorRig, type DoctorRig } from '../../support/doctor-rig.ts';
import { testOtherPlaces, testRightSetUp } from './test-right-set-up.ts';
import { testDeliveriesToNobody } from './test-deliveries-to-nobody.ts';
import { testSeededFaults } from './test-seeded-faults.ts';

const skip = dovecotVersions.find(({ version }) => version === '2.3')?.skip ?? false;

describe('coi-sidecar doctor, Dovecot 2.3', { skip }, () => {
  let rig: DoctorRig;
  before(async () => {
    rig = await startDoctorRig({ version: '2.3' });
  });
  after(() => rig.close());

  describe('of a right set-up', () => testRightSetUp(() => rig, 'dict'));
  describe('in other places', () => testOtherPlaces(() => rig));
  describe('delivers to nobody', { skip: notRoot }, () => testDeliveriesToNobody(() => rig));
  describe('finds', () => testSeededFaults('2.3', () => rig));
});

describe('coi-sidecar doctor, Dovecot 2.3, metadata.source doveadm', { skip }, () => {
  let rig: DoctorRig;
  before(async () => {
    rig = await startDoctorRig({ version: '2.3', metadata: 'doveadm', classify: 'http' });
  });
  after(() => rig.close());

  testRightSetUp(() => rig, 'doveadm');
});
