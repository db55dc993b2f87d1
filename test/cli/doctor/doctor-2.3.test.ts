// First of all: it begins to count.
import { faultPlaces } from '../../support/fault-places.ts';
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createTeardown } from '../../support/create-teardown.ts';
import { dovecotVersions } from '../../support/dovecot-versions.ts';
import { notRoot } from '../../support/unprivileged.ts';
import { noSmallDisks } from '../../support/small-disk.ts';
import { startDoctorRig, type DoctorRig } from '../../support/doctor-rig.ts';
import { seededFaults } from './seeded-faults.ts';
import { testMbox, testOtherPlaces, testRightSetUp } from './test-right-set-up.ts';
import { testDeliveriesToNobody } from './test-deliveries-to-nobody.ts';
import { testSeededFaults } from './test-seeded-faults.ts';

const of23 = seededFaults.filter(({ versions = ['2.3'] }) => versions.includes('2.3'));
const only24 = new Set(
  seededFaults
    .map(({ fault }) => fault)
    .filter((name) => !of23.some(({ fault }) => fault === name)),
);
const notSeeded = notRoot || noSmallDisks;
const skip = dovecotVersions.find(({ version }) => version === '2.3')?.skip ?? false;

describe('coi-sidecar doctor, Dovecot 2.3', { skip }, () => {
  let rig: DoctorRig;
  const teardown = createTeardown();
  before(async () => {
    rig = await startDoctorRig({ version: '2.3' });
    teardown.defer(() => rig.close());
  });

  describe('of a right set-up', () => testRightSetUp(() => rig, 'dict'));
  describe('with mbox', () => testMbox('2.3'));
  describe('in other places', () => testOtherPlaces(() => rig));
  describe('delivers to nobody', { skip: notRoot }, () => testDeliveriesToNobody(() => rig));
  describe('finds', () => testSeededFaults('2.3', () => rig));
  it('was brought to every place where it reports a fault', { skip: notSeeded }, async () => {
    const { reached, unreached } = await faultPlaces(only24);
    assert.deepEqual(unreached, []);
    assert.ok(reached.length > 90, String(reached.length));
  });
});

describe('coi-sidecar doctor, Dovecot 2.3, metadata.source doveadm', { skip }, () => {
  let rig: DoctorRig;
  const teardown = createTeardown();
  before(async () => {
    rig = await startDoctorRig({ version: '2.3', metadata: 'doveadm', classify: 'http' });
    teardown.defer(() => rig.close());
  });

  testRightSetUp(() => rig, 'doveadm');
});
