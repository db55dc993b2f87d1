import { join } from 'node:path';
import { pino } from 'pino';
import { EventDirectory } from '../../src/events/event-directory.ts';
import { EventLogs } from '../../src/events/event-logs.ts';
import { LogPositions } from '../../src/events/log-positions.ts';
import { openSqliteOutboxStore } from '../../src/stores/sqlite/sqlite-outbox-store.ts';

/* A process that moves what stands in event logs into a journal until it is killed. */
const [, , path = ''] = process.argv;
const log = pino({ level: 'silent' });
const { journal } = await openSqliteOutboxStore(join(path, 'outbox.db'), { rememberMsecs: 1_000 });
const positions = new LogPositions(journal);
await positions.load();
const directory = new EventDirectory({
  ...{ dir: join(path, 'events'), log },
  onNewLog: (inode) => positions.begin(inode),
});
const logs = new EventLogs({
  ...{ directory, positions, journal, log, pollInterval: 1_000 },
  worker: { begin: () => undefined, makeRoom: () => Promise.resolve(true) },
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  systemUsers: () => Promise.resolve([]),
  owners: { foreign: () => Promise.resolve(new Set<string>()) },
  onLines: () => undefined,
});
console.log('started');
logs.start();
