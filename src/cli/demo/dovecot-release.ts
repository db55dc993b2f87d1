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

/** Each with the Debian whose Dovecot it is, which names the root of scripts/make-dovecot-root.sh. */
const RELEASES = [
  { version: '2.3', debian: 'bookworm', renderConfig: renderConfig23 },
  { version: '2.4', debian: 'trixie', renderConfig: renderConfig24 },
] as const;

/**
 * The Dovecot that this machine has installed, unless another version is asked for; else the Debian
 * root that scripts/make-dovecot-root.sh makes. Null with no such Dovecot.
 */
export async function findDovecotRelease(asked?: DovecotVersion): Promise<DovecotRelease | null> {
  const wanted = RELEASES.filter(({ version }) => asked === undefined || version === asked);
  const { stdout } = await runCommand('dovecot', ['--version']);
  const installed = wanted.find(({ version }) => stdout.startsWith(`${version}.`));
  if (installed !== undefined) {
    return { ...installed, commandLine: (file, args) => [file, [...args]] };
  }
  const kept = wanted
    .map((release) => ({ ...release, root: rootOf(release.debian) }))
    .find(({ root }) => existsSync(join(root, '.coi-sidecar-root')));
  if (kept === undefined) return null;
  return {
    ...kept,
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
        kept.root,
        tmpdir(),
        file,
        ...args,
      ],
    ],
  };
}

const rootOf = (debian: string): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'coi-sidecar', debian);
