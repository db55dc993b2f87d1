import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What stands in a line of an event log. */
export interface LoggedTransaction {
  user: string;
  uid: number;
  service: string;
  session: string;
  events: Record<string, unknown>[];
  /** Seconds since the epoch. */
  at: number;
}

/** The files of one system user's event log, as mail processes find them. */
export interface EventLog {
  dir: string;
  log: string;
  hold: string;
  /** Its lines, each of which has to be whole. */
  read(): LoggedTransaction[];
  /** Takes all lines out of it, and nobody is left alone any more. */
  empty(): void;
}

/**
 * A system user's event log where no service runs that would make it: what the scripts do has to be seen
 * before anybody takes it in.
 */
export function makeEventLog(eventsDir: string, uid: number): EventLog {
  const dir = join(eventsDir, String(uid));
  const found: EventLog = {
    dir,
    log: join(dir, 'log'),
    hold: join(dir, 'hold'),
    read: () =>
      readFileSync(found.log, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LoggedTransaction),
    empty: () => {
      truncateSync(found.log);
      writeFileSync(found.hold, '0000000000');
    },
  };
  mkdirSync(dir, { mode: 0o700 });
  for (const file of [found.log, found.hold]) writeFileSync(file, '', { mode: 0o600 });
  if (uid !== process.getuid?.()) {
    execFileSync('setfacl', ['-m', `u:${uid}:x`, dir]);
    execFileSync('setfacl', ['-m', `u:${uid}:rw`, found.log, found.hold]);
  }
  return found;
}
