import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { schema } from '../../src/config/schema.ts';

/** The road of events that does not need the service: Dovecot writes, the service reads. */
export interface EventRoad {
  /** The section of the service's configuration that names it. */
  readonly config: Record<string, Record<string, unknown>>;
  /** One event as a mail process would leave it, whatever octets these are. */
  put(octets: Buffer): void;
  /** How many were not taken in yet, where that can be seen. */
  pending(): number;
}

/** What this service has: the event log, or before it the spool directory. */
export const createEventRoad = (dir: string): EventRoad =>
  'dir' in schema.events ? createLogRoad(dir) : createSpoolRoad(dir);

/**
 * A directory for each system user, made by the service when it hears of that user, and in it a log of
 * one line an event. Nothing is put before that, as no script makes a log.
 */
function createLogRoad(dir: string): EventRoad {
  mkdirSync(dir, { recursive: true, mode: 0o710 });
  const log = join(dir, String(process.getuid?.() ?? 0), 'log');
  return {
    config: { events: { dir } },
    put: (octets) => {
      if (existsSync(log))
        appendFileSync(log, Buffer.concat([Buffer.from('\n'), octets, Buffer.from('\n')]));
    },
    pending: () => 0,
  };
}

let count = 0;

/** A directory with one file an event, which appears under its name when it is complete. */
function createSpoolRoad(dir: string): EventRoad {
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
