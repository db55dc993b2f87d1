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
    output.flushSync = () => undefined; // what is called at the end
  });
  return output;
}
