import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { errorMessage, UnavailableError } from '../errors.ts';
import { checkUserName } from '../user-name.ts';
import { sayAskingDovecot } from './asking-dovecot.ts';
import { DoveadmCommandError, EXIT_CODES } from './doveadm-client.ts';
import { formatCommand, GREETING, parseReply, type DoveadmReply } from './doveadm-protocol.ts';

/**
 * The doveadm service over a unix socket, in doveadm's own protocol: unlike the HTTP API's JSON it
 * carries any octets.
 */
export interface DoveadmSocket {
  /**
   * Runs one command for one user.
   *
   * @param words the command and its arguments, as on doveadm's command line
   * @returns the values that it printed, one after the other
   * @throws InvalidInputError `user` is a name of which doveadm would make many; nothing was sent
   * @throws DoveadmCommandError doveadm refused
   * @throws UnavailableError Dovecot does not answer, or not in time
   */
  run(user: string, words: readonly string[]): Promise<Buffer[]>;

  /** @throws UnavailableError, saying what to do */
  check(): Promise<void>;
}

export interface DoveadmSocketOptions {
  path: string;
  /** Milliseconds that one command may take. */
  timeout: number;
}

/** sysexits.h by the names of doveadm-cmd.c. */
const EXIT_CODE_OF: Readonly<Record<string, number>> = {
  NOUSER: EXIT_CODES.noSuchUser,
  NOTFOUND: EXIT_CODES.notFound,
  TEMPFAIL: EXIT_CODES.temporaryFailure,
  NOPERM: EXIT_CODES.noPermission,
  DATAERR: EXIT_CODES.dataError,
};

/** A connection a command: Dovecot keeps a process for each, so none waits idly. */
export function createDoveadmSocket({ path, timeout }: DoveadmSocketOptions): DoveadmSocket {
  async function connected<T>(work: (socket: Socket, signal: AbortSignal) => Promise<T>) {
    sayAskingDovecot();
    const signal = AbortSignal.timeout(timeout);
    const socket = createConnection(path).on('error', () => undefined); // whoever waits is told
    try {
      await once(socket, 'connect', { signal });
      return await work(socket, signal);
    } catch (error) {
      if (error instanceof DoveadmCommandError || error instanceof UnavailableError) throw error;
      throw unavailable(path, signal.aborted ? new Error('no answer in time') : error);
    } finally {
      socket.destroy();
    }
  }

  /** `+` is said at once when the socket's mode makes a password needless; `-` asks for one. */
  async function greet(socket: Socket, signal: AbortSignal): Promise<void> {
    socket.write(GREETING);
    const answer = await readUntil(socket, signal, (octets) =>
      octets.includes('\n') ? octets.toString('latin1').trim() : undefined,
    );
    if (answer === '+') return;
    throw new UnavailableError(
      `the doveadm socket ${path} wants a password: give it "mode = 0600" and this service as its "user"`,
    );
  }

  return {
    run: async (user, words) => {
      checkUserName(user);
      return connected(async (socket, signal) => {
        await greet(socket, signal);
        socket.write(formatCommand(user, words));
        const { values, failure } = await readUntil<DoveadmReply>(socket, signal, parseReply);
        if (failure === undefined) return values;
        const command = { name: words[0] ?? '', parameters: {} };
        throw new DoveadmCommandError(command, failure, EXIT_CODE_OF[failure] ?? 0);
      });
    },
    check: () => connected(greet),
  };
}

/** Collects octets until `read` makes something of them. */
async function readUntil<T>(
  socket: Socket,
  signal: AbortSignal,
  read: (octets: Buffer) => T | undefined,
): Promise<T> {
  const chunks: Buffer[] = [];
  const found = Promise.withResolvers<T>();
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    const value = chunk.includes('\n') ? read(Buffer.concat(chunks)) : undefined;
    if (value !== undefined) found.resolve(value);
  };
  const fail = (error?: unknown): void =>
    found.reject(error instanceof Error ? error : new Error('Dovecot closed the connection'));
  const abort = (): void => fail();
  socket.on('data', take).on('error', fail).on('close', abort);
  signal.addEventListener('abort', abort);
  try {
    return await found.promise;
  } finally {
    socket.off('data', take).off('error', fail).off('close', abort);
    signal.removeEventListener('abort', abort);
  }
}

function unavailable(path: string, cause: unknown): UnavailableError {
  const remedy =
    (cause as NodeJS.ErrnoException).code === 'EACCES'
      ? 'make this service its "user" in Dovecot’s configuration'
      : 'is Dovecot running with that unix_listener for doveadm?';
  return new UnavailableError(
    `the doveadm socket ${path} does not answer (${errorMessage(cause)}); ${remedy}`,
    { cause },
  );
}
