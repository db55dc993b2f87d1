import { describe } from 'node:test';
import { type DovecotVersion, findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';

async function skipReason(version: DovecotVersion): Promise<string | false> {
  if ((await findDovecotRelease(version)) !== null) return false;
  return `no Dovecot ${version} here: as root, run scripts/make-dovecot-root.sh ${version}`;
}

/** For suites that run on each version: `describe(name, { skip }, …)`. */
export const dovecotVersions: readonly { version: DovecotVersion; skip: string | false }[] = [
  { version: '2.3', skip: await skipReason('2.3') },
  { version: '2.4', skip: await skipReason('2.4') },
];

/**
 * One describe for each version, named after it.
 *
 * @param reason why it cannot run here, whatever the version
 */
export function describeVersions(
  title: string,
  define: (version: DovecotVersion) => void,
  reason: string | false = false,
): void {
  for (const { version, skip } of dovecotVersions) {
    describe(`${title} (Dovecot ${version})`, { skip: reason === false ? skip : reason }, () =>
      define(version),
    );
  }
}
