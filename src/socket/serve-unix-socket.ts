import { chmod, chown } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { errorMessage, InvalidInputError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { clearSocketPath } from './clear-socket-path.ts';
import { findUnixGroup } from './find-unix-group.ts';
import { SOCKET_LIMITS } from './socket-limits.ts';
import { SocketSetupError, systemErrorCode } from './socket-setup-error.ts';

export interface UnixServerOptions {
  /** Where to listen; absolute. */
  path: string;
  /** Permissions of the socket file; 0o660 unless given. */
  mode?: number;
  /** Group of the socket file, by name or number; empty or left out: the process's own. */
  group?: string;
  /** What the socket is for, in log lines: `dict`, `sieve`. */
  name: string;
  maxConnections?: number;
  backlog?: number;
  log: Logger;
}

/** What a protocol makes of one connection. It owns the socket, and handles its `error` event. */
export interface Connection {
  /** Whether nothing is lost when it is closed to make room: nothing is under way. */
  readonly idle: boolean;
  /** Let what is under way finish, take nothing new, then end the socket. */
  drain(): void;
}

export interface UnixServer {
  readonly path: string;
  /** How many connections are open. */
  readonly connections: number;
  /**
   * Stops listening at once, lets connections finish what is under way, and after `graceMsecs` cuts
   * off those that have not. Resolves when all are closed.
   */
  close(graceMsecs?: number): Promise<void>;
}

const DROP_LOG_INTERVAL_MSECS = 10_000;

/**
 * Listens on a unix socket and hands each connection to `accept`. What goes wrong on one connection,
 * an exception out of `accept` included, ends that connection with one log line.
 *
 * Sockets are half-open: the peer may shut down its writing side and still read.
 *
 * @throws InvalidInputError there is no such group, this process may not give the socket to it, or the
 *   path is too long
 * @throws SocketSetupError the path cannot be used, or its mode cannot be set
 */
export async function serveUnixSocket(
  options: UnixServerOptions,
  accept: (socket: Socket) => Connection,
): Promise<UnixServer> {
  const { path, name, log } = options;
  const group = options.group ? await findUnixGroup(options.group) : undefined;
  await clearSocketPath(path);

  const open = new Map<Socket, Connection>();
  const most = options.maxConnections ?? SOCKET_LIMITS.connections;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (open.size >= most) {
      noteDrop();
      // Whoever holds connections for nothing does not keep others out; Dovecot's come again.
      const idle = findIdle(open);
      if (idle) open.delete(idle);
      (idle ?? socket).destroy();
      if (!idle) return;
    }
    try {
      open.set(socket, accept(socket));
      socket.once('close', () => open.delete(socket));
    } catch (error) {
      log.error({ err: error, socket: path }, `${name}: cannot take a connection`);
      socket.destroy();
    }
  });
  const noteDrop = logDrops(server, options);

  const mode = options.mode ?? 0o660;
  await listen(server, path, options.backlog ?? SOCKET_LIMITS.backlog, mode);
  try {
    if (group !== undefined) await chown(path, -1, group);
    await chmod(path, mode);
  } catch (error) {
    server.close();
    const wish = `mode ${mode.toString(8)}${options.group ? ` and group ${options.group}` : ''}`;
    const message = `${path}: cannot set ${wish}: ${errorMessage(error)}`;
    if (systemErrorCode(error) !== 'EPERM') throw new SocketSetupError(message, { cause: error });
    throw new InvalidInputError(`${message}; this service must be a member of the group`, {
      cause: error,
    });
  }
  server.on('error', (err) => log.error({ err, socket: path }, `${name}: cannot accept`));

  let closing: Promise<void> | undefined;
  return {
    path,
    get connections() {
      return open.size;
    },
    close: (graceMsecs = SOCKET_LIMITS.graceMsecs) => (closing ??= close(server, open, graceMsecs)),
  };
}

/** Binds and listens in this very tick, so that the umask is narrowed for this one file only. */
function listen(server: Server, path: string, backlog: number, mode: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new SocketSetupError(`${path}: cannot listen: ${error.message}`, { cause: error }));
    });
    const umask = isMainThread ? process.umask(0o777 & ~mode) : undefined;
    try {
      server.listen({ path, backlog, exclusive: true }, () => {
        server.removeAllListeners('error');
        resolve();
      });
    } finally {
      if (umask !== undefined) process.umask(umask);
    }
  });
}

/** The oldest connection on which nothing is under way. */
function findIdle(open: ReadonlyMap<Socket, Connection>): Socket | undefined {
  for (const [socket, connection] of open) if (connection.idle) return socket;
  return undefined;
}

/** One line for a burst of dropped connections, not one for each. */
function logDrops(server: Server, { log, name, path }: UnixServerOptions): () => void {
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  const report = () => {
    timer = undefined;
    log.warn({ socket: path, dropped }, `${name}: too many connections, some were dropped`);
    dropped = 0;
  };
  server.once('close', () => {
    clearTimeout(timer);
    if (dropped > 0) report();
  });
  return () => {
    dropped++;
    timer ??= setTimeout(report, DROP_LOG_INTERVAL_MSECS).unref();
  };
}

async function close(
  server: Server,
  open: Map<Socket, Connection>,
  graceMsecs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  for (const connection of open.values()) connection.drain();
  const cut = setTimeout(() => {
    for (const socket of open.keys()) socket.destroy();
  }, graceMsecs);
  await closed;
  clearTimeout(cut);
  open.clear();
}
