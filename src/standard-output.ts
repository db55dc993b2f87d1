import { fstatSync } from 'node:fs';
import { destination, type DestinationStream } from 'pino';

/** Octets of lines that wait; past it, new ones are dropped. */
const MOST_WAITING = 1_048_576;

/**
 * Standard output for the log, which must not harm the service. What cannot be written waits for the
 * next line, say on a full disk. Whoever reads a pipe or a socket may hang, so those are written
 * without waiting; a file is written at once, so that nothing is left for the process's end, where
 * pino would try for ever.
 */
export function openStandardOutput(): DestinationStream {
  const fd = 1;
  const kind = fstatSync(fd);
  const output = destination({
    fd,
    sync: !kind.isFIFO() && !kind.isSocket(),
    maxLength: MOST_WAITING,
  });
  output.on('error', () => {
    output.flushSync = () => undefined;
  });
  return withPriorities(output);
}

/**
 * The output of a log, each line with its priority where the journal takes it in: `journalctl -p warning`
 * shows nothing else of it. The journal takes the prefix away again (sd-daemon(3), SyslogLevelPrefix= in
 * systemd.exec(5)).
 *
 * pino finds no flushSync() in it, which it would call after a fatal line, past an earlier line whose write
 * is under way. It calls that of the output itself when the process ends.
 *
 * @param output writes to standard output
 */
export function withPriorities(output: DestinationStream): DestinationStream {
  return isJournal(1) ? new JournalStream(output) : { write: (line) => output.write(line) };
}

/** What went wrong, for whoever started this command: on standard error. */
export function printError(text: string): void {
  console.error(isJournal(2) ? text.replaceAll(/^/gm, '<3>') : text);
}

/** Whether systemd has connected this to its journal ($JOURNAL_STREAM in systemd.exec(5)). */
function isJournal(fd: number): boolean {
  const { JOURNAL_STREAM: stream } = process.env;
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
}

/** The priorities of syslog(3), for pino's levels: a level goes to the nearest below it. */
const PRIORITIES: readonly [level: number, priority: number][] = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
];
const DEBUG = 7;

/** Has pino say of which level a line is (docs/api.md, "pino.destination"). */
const METADATA: unique symbol = Symbol.for('pino.metadata');

class JournalStream implements DestinationStream {
  readonly [METADATA] = true;
  lastLevel = 0;
  readonly #output: DestinationStream;

  constructor(output: DestinationStream) {
    this.#output = output;
  }

  write(line: string): void {
    const [, priority] = PRIORITIES.find(([level]) => this.lastLevel >= level) ?? [0, DEBUG];
    this.#output.write(`<${priority}>${line}`);
  }
}
