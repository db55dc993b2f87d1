import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readFile } from 'node:fs/promises';
import { format } from 'prettier';
import { checks } from '../../../src/cli/doctor/checks.ts';
import { renderDoctor } from '../../../scripts/docs/render-doctor.ts';
import { seededFaults } from './seeded-faults.ts';

const known = checks.flatMap(({ name, faults }) =>
  Object.keys(faults).map((fault) => `${name}.${fault}`),
);

describe('what doctor knows', () => {
  it('has a test for every fault that breaks a real set-up that way', () => {
    const seeded = new Set(seededFaults.map(({ fault }) => fault));
    assert.deepEqual(
      known.filter((fault) => !seeded.has(fault)),
      [],
    );
    assert.deepEqual(
      [...seeded].filter((fault) => !known.includes(fault)),
      [],
    );
    assert.ok(known.length > 60, String(known.length));
  });

  it('has names of its own for all checks', () => {
    assert.equal(new Set(checks.map(({ name }) => name)).size, checks.length);
  });

  it('says what is wrong in one sentence and what to do in another', () => {
    for (const { name, faults } of checks) {
      for (const [fault, { what, remedy }] of Object.entries(faults)) {
        assert.match(what, /\.$|^\{problem\}$|problem\}$/, `${name}.${fault}`);
        assert.match(remedy, /\S/, `${name}.${fault}`);
      }
    }
  });

  it('stands in docs/doctor.md as it is (npm run docs)', async () => {
    const page = await readFile(new URL('../../../docs/doctor.md', import.meta.url), 'utf8');
    assert.equal(page, await format(renderDoctor(checks), { parser: 'markdown' }));
  });
});
