import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DovecotConfigInput } from './dovecot-config.ts';
import { renderConfig23 } from './render-config-2.3.ts';
import { renderConfig24 } from './render-config-2.4.ts';
import { runCommand } from './run-command.ts';

export type DovecotVersion = '2.3' | '2.4';

/** How one release of Dovecot is configured, and where its programs run. */
export interface DovecotRelease {
  version: DovecotVersion;
  renderConfig: (input: DovecotConfigInput) => string;
  /** The command line that runs a program of this release. */
  commandLine: (file: string, args: readonly string[]) => [file: string, args: string[]];
}

/**
 * The release that this machine has installed, if it is the one asked for; else the Debian 13 root
 * that scripts/make-dovecot-2.4-root.sh makes. Null with no Dovecot of that version.
 */
export async function findDovecotRelease(version: DovecotVersion): Promise<DovecotRelease | null> {
  const renderConfig = version === '2.4' ? renderConfig24 : renderConfig23;
  const installed = await runCommand('dovecot', ['--version']);
  if (installed.stdout.startsWith(`${version}.`)) {
    return { version, renderConfig, commandLine: (file, args) => [file, [...args]] };
  }
  if (version === '2.3' || !existsSync(join(trixieRoot(), '.coi-sidecar-root'))) return null;
  return {
    version,
    renderConfig,
    // In a mount namespace of its own, so that nothing stays mounted: the temporary directory is
    // seen under the same path inside. Everything is exec'ed, so the process stays the child.
    commandLine: (file, args) => [
      'unshare',
      [
        '--mount',
        '--propagation=private',
        'sh',
        '-c',
        'mkdir -p "$0$1" && mount --bind "$1" "$0$1" && mount -t proc proc "$0/proc" && ' +
          'root=$0 && shift && exec chroot "$root" "$@"',
        trixieRoot(),
        tmpdir(),
        file,
        ...args,
      ],
    ],
  };
}

const trixieRoot = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'coi-sidecar', 'trixie');
