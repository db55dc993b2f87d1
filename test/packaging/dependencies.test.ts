import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { judgeAudit } from '../../scripts/audit.ts';
import { makeSbom } from '../../scripts/write-sbom.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const lock = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
  packages: Record<
    string,
    { version: string; license?: string; dev?: boolean; integrity?: string }
  >;
};
const installed = Object.entries(lock.packages)
  .filter(([path, { dev }]) => path !== '' && dev !== true)
  .map(([path, entry]) => ({ ...entry, name: path.replace(/^.*node_modules\//, '') }));

/** Those that permit to be shipped along under the MPL, by their names at SPDX. */
const PERMITTED = new Set([
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0'],
  ...['BlueOak-1.0.0', 'MPL-2.0', 'Unlicense', 'CC0-1.0', 'Python-2.0'],
]);

/** Of an expression: one of several that are offered is enough, and all of several that are demanded. */
const isPermitted = (license: string): boolean =>
  license
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((one) => PERMITTED.has(one)));

describe('what is shipped', () => {
  it('has licences that permit it', () => {
    assert.ok(installed.length > 50);
    const others = installed.filter(({ license }) => !isPermitted(license ?? 'none'));
    assert.deepEqual(
      others.map(({ name, license }) => `${name}: ${license ?? 'none'}`),
      [],
    );
  });

  it('and a licence that does not is found', () => {
    assert.ok(isPermitted('(MIT OR EUPL-1.1+)'));
    for (const license of [
      'GPL-3.0',
      'MIT AND GPL-3.0',
      'UNLICENSED',
      'SEE LICENSE IN x',
      'none',
    ]) {
      assert.ok(!isPermitted(license), license);
    }
  });
});

describe('the software bill of materials', () => {
  const sbom = makeSbom('1700000000');

  it('names every package that is shipped, and no other, with its licence and hash', () => {
    const named = sbom.components.map(({ name, version }) => `${name} ${version}`);
    const wanted = new Set(installed.map(({ name, version }) => `${name} ${version}`));
    assert.deepEqual([...new Set(named)].sort(), [...wanted].sort());
    for (const { name, licenses, hashes } of sbom.components) {
      assert.equal(licenses.length, 1, name);
      assert.equal(hashes?.length, 1, name);
    }
    assert.equal(sbom.metadata.component.name, 'coi-sidecar');
  });

  it('is the same each time', () => {
    assert.deepEqual(makeSbom('1700000000'), sbom);
    assert.match(sbom.serialNumber, /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it('names Node where that is shipped too', () => {
    const { components, serialNumber } = makeSbom('1700000000', '26.1.0');
    assert.ok(components.some(({ purl }) => purl === 'pkg:generic/node@26.1.0'));
    assert.notEqual(serialNumber, sbom.serialNumber);
  });

  it('names no registry', () => {
    assert.doesNotMatch(JSON.stringify(sbom), /https?:/);
  });
});

describe('npm run audit', () => {
  const report = (vulnerabilities: Record<string, { severity: string }>): string =>
    JSON.stringify({
      vulnerabilities,
      metadata: { vulnerabilities: { total: Object.keys(vulnerabilities).length } },
    });

  it('passes without advisories, and with small ones', () => {
    assert.deepEqual(judgeAudit(report({})), { code: 0, words: 'no advisories' });
    const { code, words } = judgeAudit(report({ a: { severity: 'moderate' } }));
    assert.deepEqual([code, words], [0, '1 advisories, none of them high']);
  });

  it('fails at high and critical ones, and names the packages', () => {
    for (const severity of ['high', 'critical']) {
      const { code, words } = judgeAudit(report({ a: { severity: 'low' }, b: { severity } }));
      assert.equal(code, 1);
      assert.match(words, RegExp(`^b \\(${severity}\\)`));
    }
  });

  it('says when it could not run, and does not call that passed', () => {
    const answers = [
      '',
      'npm error',
      '{"error":{"code":"ENOTFOUND","summary":"request to https://x.invalid/ failed"}}',
      '{"message":"405 Method Not Allowed - POST https://x.invalid/-/npm/v1/security"}',
      '{}',
    ];
    for (const answer of answers) {
      const { code, words } = judgeAudit(answer);
      assert.equal(code, 0);
      assert.match(words, /^COULD NOT RUN, so nothing is known: /);
      assert.doesNotMatch(words, /x\.invalid/);
    }
  });
});
