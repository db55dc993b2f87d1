import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Stands before a TCP service and can take it away. */
export interface TcpRelay {
  readonly port: number;
  /** The port of 127.0.0.1 that connections are passed on to. */
  target: number;
  /** `cut`: connections are closed as soon as they are made; `hang`: they are made and nothing comes. */
  mode: 'pass' | 'cut' | 'hang';
  close(): Promise<void>;
}

/** A change of mode ends the connections that are open. */
export async function startTcpRelay(): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  let mode: TcpRelay['mode'] = 'pass';
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  };
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((socket) => {
    keep(socket);
    if (mode === 'cut') socket.destroy();
    if (mode !== 'pass') return;
    const far = keep(connect(relay.target, '127.0.0.1'));
    socket.pipe(far).pipe(socket);
    socket.once('close', () => far.destroy());
    far.once('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const relay: TcpRelay = {
    port: (server.address() as AddressInfo).port,
    target: 0,
    get mode() {
      return mode;
    },
    set mode(next) {
      mode = next;
      endAll();
    },
    close: () =>
      new Promise((resolve) => {
        endAll();
        server.close(() => resolve());
      }),
  };
  return relay;
}
