import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { crc32 } from 'node:zlib';
import { Chance } from './chance.ts';
import { Finding } from './finding.ts';

/** Whoever keeps a peer waiting for so long has forgotten it. */
const PATIENCE_MSECS = 40_000;
/** More of an answer than anybody asked for here. */
const MOST_OCTETS = 64 * 1_024 * 1_024;

/**
 * Sends the octets, cut wherever their own sum says, says that there are no more, and reads until the
 * other side ends. That the connection breaks is none of our business: a service that died is found by
 * whoever watches the process.
 */
export function exchange(to: NetConnectOpts, octets: Buffer, what: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...to, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new Finding('no answer', `${what}: neither an answer nor an end in ${PATIENCE_MSECS} ms`),
      );
    }, PATIENCE_MSECS);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks));
    };
    socket.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MOST_OCTETS) chunks.push(chunk);
    });
    socket.on('error', done);
    socket.on('close', done);
    socket.on('end', done);
    socket.once('connect', () => void sendInPieces(socket, octets));
  });
}

async function sendInPieces(socket: Socket, octets: Buffer): Promise<void> {
  for (const piece of new Chance(crc32(octets)).split(octets)) {
    if (socket.destroyed) return;
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
}

/** A connection that stays, to be spoken to again and again. */
export class OpenConnection {
  readonly socket: Socket;
  closed = false;

  constructor(to: NetConnectOpts, onData: (chunk: Buffer) => void, onClose: () => void) {
    this.socket = connect(to);
    this.socket.on('data', onData);
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
      onClose();
    });
  }

  async write(octets: Buffer): Promise<void> {
    for (const piece of new Chance(crc32(octets)).split(octets)) {
      this.socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  end(): void {
    this.socket.destroy();
  }
}
