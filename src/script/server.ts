import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { errorMessage, SidecarError, UnavailableError } from '../errors.ts';
import { BodyBudget } from '../socket/body-budget.ts';
import {
  serveUnixSocket,
  type Connection,
  type UnixServer,
  type UnixServerOptions,
} from '../socket/serve-unix-socket.ts';
import { SOCKET_LIMITS } from '../socket/socket-limits.ts';
import { SCRIPT_STATUS, ScriptRequestReader } from './protocol.ts';
import type { ScriptHandler } from './script-handler.ts';
import { ScriptProtocolError } from './script-protocol-error.ts';

/** Told of each request that was complete: from its last octet to the answer. For metrics. */
export type ScriptObserver = (result: ScriptResult, msecs: number) => void;

/** `no`: the handler said so; `failed`: it could not say. */
type ScriptResult = 'ok' | 'no' | 'failed';

export interface ScriptServerOptions extends UnixServerOptions {
  handler: ScriptHandler;
  clock: Clock;
  observe?: ScriptObserver;
  maxMessageOctets?: number;
  /** What messages that are still coming in share; one of its own unless given. */
  bodies?: BodyBudget;
  /** Milliseconds from connecting to the answer. */
  requestMsecs?: number;
}

/**
 * Serves Dovecot's script protocol on a unix socket, one request a connection: what a Sieve
 * `execute` finds under the socket's file name in `sieve_execute_socket_dir`.
 *
 * @throws SocketSetupError see {@link serveUnixSocket}
 */
export function serveScript(options: ScriptServerOptions): Promise<UnixServer> {
  const { bodies = new BodyBudget(SOCKET_LIMITS.bodyOctets) } = options;
  return serveUnixSocket(options, (socket) => connect(socket, options, bodies));
}

function connect(socket: Socket, options: ScriptServerOptions, bodies: BodyBudget): Connection {
  const { handler, clock, observe, log, name, path } = options;
  const reader = new ScriptRequestReader(options);
  const deadline = options.requestMsecs ?? SOCKET_LIMITS.scriptRequestMsecs;
  /** When the request was complete, in milliseconds of the monotonic clock. */
  let completeAt: number | undefined;
  let over = false;
  const share = bodies.open(() => {
    fail(new UnavailableError('too many messages come in at once; this one came for the longest'));
  });

  function answer(result: ScriptResult, output?: Buffer): void {
    if (over) return;
    over = true;
    share.close();
    reader.discard();
    const status = result === 'ok' ? SCRIPT_STATUS.success : SCRIPT_STATUS.failure;
    const parts = [...(output ? [output] : []), ...(reader.wantsStatus ? [status] : [])];
    if (completeAt === undefined) {
      // Dovecot is still writing. Closing on it makes lmtp panic (2.3.19), so the rest is read away.
      socket.end(Buffer.concat(parts));
      setTimeout(() => socket.destroy(), deadline).unref();
    } else {
      if (socket.writable && parts.length > 0) socket.write(Buffer.concat(parts));
      socket.destroySoon();
    }
    if (completeAt !== undefined) observe?.(result, clock.monotonic() - completeAt);
  }

  function fail(error: unknown): void {
    if (over) return;
    if (error instanceof ScriptProtocolError) {
      log.warn(
        { socket: path, reason: error.message },
        `${name}: connection closed: not what Dovecot would send`,
      );
      over = true;
      share.close();
      socket.destroy(); // without a status, so that Dovecot complains too
    } else {
      // What is wrong with the request is said in its message; the place in the code is of no use then.
      const about = error instanceof SidecarError ? { reason: error.message } : { err: error };
      log.error({ ...about, socket: path }, `${name}: request failed`);
      answer('failed');
    }
  }

  async function run(): Promise<void> {
    try {
      const request = reader.end();
      completeAt = clock.monotonic();
      const output = await handler.handle(request);
      answer(output === undefined ? 'no' : 'ok', output);
    } catch (error) {
      fail(error);
    }
  }

  const timer = setTimeout(() => {
    fail(new UnavailableError(`not done within ${deadline} ms`));
  }, deadline);

  socket.on('data', (chunk: Buffer) => {
    if (over) return;
    try {
      share.add(reader.push(chunk));
    } catch (error) {
      fail(error);
    }
  });
  socket.once('end', () => {
    if (reader.begun) void run();
    else socket.destroy();
  });
  socket.on('error', (error) => {
    log.debug({ socket: path, reason: errorMessage(error) }, `${name}: connection broke`);
  });
  socket.once('close', () => {
    clearTimeout(timer);
    share.close();
    over = true;
  });
  return {
    get idle() {
      return !reader.begun;
    },
    drain() {
      if (!reader.begun) socket.destroy();
    },
  };
}
