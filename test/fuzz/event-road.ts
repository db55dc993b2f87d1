import { mkdirSync, renameSync, writeFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The road of events that does not need the service: Dovecot writes, the service reads. */
export interface EventRoad {
  /** The section of the service's configuration that names it. */
  readonly config: Record<string, Record<string, unknown>>;
  /** One event as a mail process would leave it, whatever octets these are. */
  put(octets: Buffer): void;
  /** What was not taken in yet. */
  pending(): number;
}

let count = 0;

/** A directory with one file an event, which appears under its name when it is complete. */
export function createSpoolRoad(dir: string): EventRoad {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return {
    config: { spool: { dir } },
    put: (octets) => {
      count += 1;
      const name = `${String(count).padStart(20, '0')}-${process.pid}.json`;
      const temporary = join(dir, `.tmp-${name}`);
      writeFileSync(temporary, octets, { mode: 0o600 });
      renameSync(temporary, join(dir, name));
    },
    pending: () =>
      readdirSync(dir).filter((name) => name.endsWith('.json') && !name.startsWith('.')).length,
  };
}
