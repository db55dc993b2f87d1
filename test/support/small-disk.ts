import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A file system of a few megabytes that a test may fill or make read-only. */
export interface SmallDisk {
  readonly dir: string;
  /** Leaves no octet free. */
  fill(): void;
  /** Gives back what {@link fill} took. */
  free(): void;
  /** Read-only for root, too. */
  setWritable(writable: boolean): void;
  unmount(): void;
}

/** Why there are none here, or false. */
export const noSmallDisks: string | false = ((): string | false => {
  const disk = mount('256k');
  disk?.unmount();
  return disk === undefined && 'only root can mount a file system';
})();

/** @param size as mount(8) writes it: `2m` */
export function mountSmallDisk(size = '2m'): SmallDisk {
  const disk = mount(size);
  if (disk === undefined) throw new Error('a small disk cannot be mounted');
  return disk;
}

/** A file system that has no access control lists, as NFS has none of this kind. */
export async function mountWithoutAcls(): Promise<{ dir: string } & AsyncDisposable> {
  const dir = mkdtempSync(join(tmpdir(), 'coi-no-acl-'));
  await promisify(execFile)('mount', ['-t', 'ramfs', 'ramfs', dir]);
  chmodSync(dir, 0o755);
  return {
    dir,
    [Symbol.asyncDispose]: async () => {
      await promisify(execFile)('umount', ['--lazy', dir]);
      rmSync(dir, { recursive: true });
    },
  };
}

function mount(size: string): SmallDisk | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'coi-disk-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]).status !== 0) {
    rmSync(dir, { recursive: true });
    return undefined;
  }
  chmodSync(dir, 0o777);
  const ballast = join(dir, 'ballast');
  const umount = (): unknown => execFileSync('umount', ['--lazy', dir]);
  let covers = 0;
  return {
    dir,
    fill: () => fillFile(ballast),
    free: () => rmSync(ballast),
    setWritable: (writable) => {
      if (writable) {
        for (; covers > 0; covers -= 1) umount();
        return;
      }
      // Over itself: what is open for writing already would keep the disk itself from it.
      execFileSync('mount', ['--bind', dir, dir], { stdio: 'ignore' });
      covers += 1;
      execFileSync('mount', ['-o', 'remount,bind,ro', dir], { stdio: 'ignore' });
    },
    unmount: () => {
      // Lazy: a file that is still open must not keep the test's directory.
      for (; covers >= 0; covers -= 1) umount();
      rmSync(dir, { recursive: true });
    },
  };
}

function fillFile(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (const octets of [65_536, 4_096, 1]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(octets));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}
