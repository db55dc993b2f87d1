import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Stands before a TCP service and can take it away. */
export interface TcpRelay {
  readonly port: number;
  /** The port of 127.0.0.1 that connections are passed on to. */
  target: number;
  /**
   * `cut`: connections are closed as soon as they are made; `hang`: they are made and nothing comes;
   * `hold`: so too, but they go on when the mode is `pass` again.
   */
  mode: 'pass' | 'cut' | 'hang' | 'hold';
  close(): Promise<void>;
}

/** A change of mode ends the connections that are open, but for those that are held. */
export async function startTcpRelay(): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  const held = new Set<Socket>();
  let mode: TcpRelay['mode'] = 'pass';
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  };
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const pass = (socket: Socket): void => {
    const far = keep(connect(relay.target, '127.0.0.1'));
    socket.pipe(far).pipe(socket);
    socket.once('close', () => far.destroy());
    far.once('close', () => socket.destroy());
  };
  const server = createServer((socket) => {
    if (mode === 'hold') held.add(socket.on('error', () => undefined));
    else keep(socket);
    if (mode === 'cut') socket.destroy();
    if (mode === 'pass') pass(socket);
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
      for (const socket of next === 'pass' ? held : []) pass(keep(socket));
      if (next === 'pass') held.clear();
    },
    close: () =>
      new Promise((resolve) => {
        endAll();
        for (const socket of held) socket.destroy();
        server.close(() => resolve());
      }),
  };
  return relay;
}
