import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

/** Below the range that Linux hands out to outgoing connections (32768–60999). */
const FIRST = 20_000;
const LAST = 32_000;
const taken = new Set<number>();

/**
 * A TCP port of 127.0.0.1 on which nothing listens, for a program that cannot listen on port 0. It
 * is never given twice by this process, and no outgoing connection can take it in the meantime.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if (taken.has(port)) continue;
    taken.add(port);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => resolve(true));
    });
  });
}
