import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir {
  path: string;
  remove: () => void;
}

/** A directory for one test's files. */
export function makeTempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), 'coi-stores-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
