import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { BatchedWriter } from '../socket/batched-writer.ts';
import {
  serveUnixSocket,
  type Connection,
  type UnixServer,
  type UnixServerOptions,
} from '../socket/serve-unix-socket.ts';
import { SOCKET_LIMITS } from '../socket/socket-limits.ts';
import type { DictBackend } from './dict-backend.ts';
import { DictProtocolError } from './dict-protocol-error.ts';
import { InputTurns } from './input-turns.ts';
import type { DictObserver } from './pending-commands.ts';
import { DictSession, type DictLoad } from './protocol.ts';
import { TransactionBudget } from './transaction-budget.ts';

export interface DictServerOptions extends Omit<UnixServerOptions, 'name'> {
  backend: DictBackend;
  clock: Clock;
  observe?: DictObserver;
  replyMsecs?: number;
  /** Octets of requests that may wait on all connections; those of SOCKET_LIMITS unless given. */
  waitingOctets?: number;
}

const NOTHING = Buffer.alloc(0);

/** How often commands are looked through for those that wait for too long. */
const EXPIRY_INTERVAL_MSECS = 1_000;

/**
 * Serves Dovecot's dict protocol on a unix socket: what `mail_attribute_dict = proxy:<path>:coi`
 * (2.4: `mail_attribute { dict proxy { … } }`) connects to.
 *
 * @throws SocketSetupError see {@link serveUnixSocket}
 */
export async function serveDict(options: DictServerOptions): Promise<UnixServer> {
  const sessions = new Set<DictSession>();
  const shared: Shared = {
    sessions,
    stalled: new Set(),
    turns: new InputTurns(),
    load: { commands: 0, waiting: 0 },
    budget: new TransactionBudget({
      octets: SOCKET_LIMITS.dictAllOctets,
      reservedOctets: SOCKET_LIMITS.dictReservedOctets,
    }),
  };
  const server = await serveUnixSocket({ ...options, name: 'dict' }, (socket) =>
    connect(socket, options, shared),
  );
  const expiry = setInterval(() => {
    for (const session of sessions) session.expire();
  }, EXPIRY_INTERVAL_MSECS).unref();
  return {
    path: server.path,
    get connections() {
      return server.connections;
    },
    async close(graceMsecs) {
      await server.close(graceMsecs);
      clearInterval(expiry);
    },
  };
}

/** What all connections have in common. */
interface Shared {
  sessions: Set<DictSession>;
  /** Whose peers do not read, those that stall longest first. */
  stalled: Set<Socket>;
  budget: TransactionBudget;
  turns: InputTurns;
  load: DictLoad & {
    /** Octets that were read and not looked at. */
    waiting: number;
  };
}

function connect(
  socket: Socket,
  options: DictServerOptions,
  { sessions, stalled, budget, turns, load }: Shared,
): Connection {
  const { log, path } = options;
  const writer = new BatchedWriter(socket);
  /** Nothing more is to come in: end once all replies are out. */
  let ending = false;
  const session = new DictSession({
    ...options,
    budget,
    load,
    backlog,
    send(octets) {
      writer.write(octets);
      proceed();
    },
  });
  sessions.add(session);
  const waiting = {
    get ready() {
      return session.waitingOctets > 0 && !session.full && !socket.writableNeedDrain;
    },
    take(most: number) {
      const taken = waiting.ready ? look(most) : 0;
      proceed(); // also when there was no room: to be told when there is some
      return taken;
    },
  };

  function backlog(): Promise<void> | undefined {
    if (!writer.isFull) return undefined;
    stalled.add(socket);
    const [longest] = stalled;
    if (stalled.size > SOCKET_LIMITS.dictStalledConnections && longest) {
      log.warn(
        { socket: path },
        'dict: connection closed: its peer does not read what it asks for',
      );
      stalled.delete(longest);
      longest.destroy();
    }
    return writer.drained().then(() => void stalled.delete(socket));
  }

  function proceed(isNew = false): void {
    if (waiting.ready) turns.ask(waiting, { isNew });
    if (session.mustWait) budget.whenRoom(goOn);
    if (ending && session.idle) writer.end();
    else if (session.waitingOctets > 0 || session.full) socket.pause();
    else if (!socket.writableNeedDrain) socket.resume();
  }

  const goOn = (): void => proceed();

  function receive(chunk: Buffer): void {
    const isNew = session.waitingOctets === 0;
    const octets = session.waitingOctets + chunk.length;
    const isTooMuch =
      octets > SOCKET_LIMITS.dictReservedWaitingOctets &&
      load.waiting + chunk.length > (options.waitingOctets ?? SOCKET_LIMITS.dictWaitingOctets);
    if (isTooMuch) {
      log.warn({ socket: path }, 'dict: connection closed: too many requests wait on all of them');
      socket.destroy();
      return;
    }
    session.push(chunk, 0);
    load.waiting += chunk.length;
    proceed(isNew);
  }

  function look(most: number): number {
    const before = session.waitingOctets;
    try {
      return session.push(NOTHING, most);
    } catch (error) {
      const known = error instanceof DictProtocolError;
      log.warn(
        { socket: path, ...(known ? { reason: error.message } : { err: error }) },
        'dict: connection closed: not what Dovecot would send',
      );
      socket.off('data', receive);
      session.close();
      writer.end();
      return most;
    } finally {
      load.waiting += session.waitingOctets - before;
    }
  }

  socket.on('data', receive);
  socket.on('drain', goOn);
  socket.once('end', () => {
    session.endInput();
    ending = true;
    proceed();
  });
  socket.on('error', (error) => {
    log.debug({ socket: path, reason: errorMessage(error) }, 'dict: connection broke');
  });
  socket.once('close', () => {
    sessions.delete(session);
    budget.forget(goOn);
    load.waiting -= session.waitingOctets;
    session.close();
  });
  return {
    get idle() {
      return session.idle;
    },
    drain() {
      ending = true;
      proceed();
    },
  };
}
