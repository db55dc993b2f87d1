import { describe } from 'node:test';
import { type DovecotVersion, findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';

async function skipReason(version: DovecotVersion): Promise<string | false> {
  if ((await findDovecotRelease(version)) !== null) return false;
  return version === '2.4'
    ? 'no Dovecot 2.4 here: as root, run scripts/make-dovecot-2.4-root.sh'
    : 'no Dovecot 2.3 here: run scripts/setup.sh on Debian 12';
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
