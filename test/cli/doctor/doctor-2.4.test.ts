import { before, describe } from 'node:test';
import { createTeardown } from '../../support/create-teardown.ts';
import { dovecotVersions } from '../../support/dovecot-versions.ts';
import { notRoot } from '../../support/unprivileged.ts';
import { startDoctorRig, type DoctorRig } from '../../support/doctor-rig.ts';
import { testMbox, testRightSetUp } from './test-right-set-up.ts';
import { testDeliveriesToNobody } from './test-deliveries-to-nobody.ts';
import { testSeededFaults } from './test-seeded-faults.ts';

const skip = dovecotVersions.find(({ version }) => version === '2.4')?.skip ?? false;

describe('coi-sidecar doctor, Dovecot 2.4', { skip }, () => {
  let rig: DoctorRig;
  const teardown = createTeardown();
  before(async () => {
    rig = await startDoctorRig({ version: '2.4' });
    teardown.defer(() => rig.close());
  });

  describe('of a right set-up', () => testRightSetUp(() => rig, 'dict'));
  describe('with mbox', () => testMbox('2.4'));
  describe('delivers to nobody', { skip: notRoot }, () => testDeliveriesToNobody(() => rig));
  describe('finds', () => testSeededFaults('2.4', () => rig));
});

describe('coi-sidecar doctor, Dovecot 2.4, metadata.source doveadm', { skip }, () => {
  let rig: DoctorRig;
  const teardown = createTeardown();
  before(async () => {
    rig = await startDoctorRig({ version: '2.4', metadata: 'doveadm', classify: 'http' });
    teardown.defer(() => rig.close());
  });

  testRightSetUp(() => rig, 'doveadm');
});
