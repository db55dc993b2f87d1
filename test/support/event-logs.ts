import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EventDirectory } from '../../src/events/event-directory.ts';
import { createLogger } from '../../src/logging.ts';

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
  directory: EventDirectory;
  /** Its lines, each of which has to be whole. */
  read(): LoggedTransaction[];
  /** Takes all lines out of it, and nobody is left alone any more. */
  empty(): void;
}

/** Has a system user's event log made, and lets nobody take anything out of it but the test. */
export async function makeEventLog(eventsDir: string, uid: number): Promise<EventLog> {
  const directory = new EventDirectory({
    dir: eventsDir,
    onNewLog: () => Promise.resolve(),
    log: createLogger('silent'),
  });
  await directory.ensure(uid);
  const dir = directory.of(uid);
  const found: EventLog = {
    ...{ dir, directory },
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
  return found;
}
