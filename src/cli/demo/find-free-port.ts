import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below the range that Linux hands out to outgoing connections (32768–60999). */
const FIRST = 20_000;
const LAST = 32_000;
const claims: Socket[] = [];

/**
 * A TCP port of 127.0.0.1 on which nothing listens, for a program that cannot listen on port 0. It
 * is given once, though several processes ask, and no outgoing connection can take it in the meantime.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if ((await claim(port)) && (await isFree(port))) return port;
  }
}

/** By a UDP socket of that number: nobody here uses one, and the kernel takes it back when this process ends. */
function claim(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4').unref();
    socket.once('error', () => resolve(false));
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      claims.push(socket);
      resolve(true);
    });
  });
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
