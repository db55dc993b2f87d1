import { lstat, stat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { checkSocketPath } from './check-socket-path.ts';
import { SocketSetupError, systemErrorCode } from './socket-setup-error.ts';

/**
 * Makes sure that a socket can be bound at `path`: its folder exists, and nothing stands there but,
 * at most, a socket that a dead process left, which is removed.
 *
 * @throws InvalidInputError see {@link checkSocketPath}
 * @throws SocketSetupError something else stands there, somebody listens there, or no such folder
 */
export async function clearSocketPath(path: string): Promise<void> {
  checkSocketPath(path);
  await requireFolder(path);
  if (!(await isSocket(path))) return;
  const refusal = await connectRefusal(path);
  if (refusal === undefined || refusal === 'EAGAIN') {
    throw new SocketSetupError(
      `${path}: another process listens there already; stop it or choose another path`,
    );
  }
  if (refusal !== 'ECONNREFUSED' && refusal !== 'ENOENT') {
    throw new SocketSetupError(`${path}: cannot tell whether somebody listens there (${refusal})`);
  }
  await remove(path);
}

async function requireFolder(path: string): Promise<void> {
  const folder = dirname(path);
  try {
    if ((await stat(folder)).isDirectory()) return;
  } catch (error) {
    const code = systemErrorCode(error);
    throw new SocketSetupError(
      code === 'ENOENT'
        ? `${path}: the folder ${folder} does not exist; make it, writable for this service`
        : `${path}: cannot look at the folder ${folder} (${code ?? 'unknown error'})`,
      { cause: error },
    );
  }
  throw new SocketSetupError(`${path}: ${folder} is not a folder`);
}

/** Whether a socket stands at `path`; false when nothing does. */
async function isSocket(path: string): Promise<boolean> {
  const found = await lstat(path).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw new SocketSetupError(`${path}: cannot look at it`, { cause: error });
  });
  if (found && !found.isSocket()) {
    throw new SocketSetupError(`${path}: not a socket; move it away or choose another path`);
  }
  return found !== undefined;
}

/** Undefined when somebody answers at `path`, else the system's code for why not. */
function connectRefusal(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve(systemErrorCode(error) ?? error.message));
  });
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return;
    throw new SocketSetupError(`${path}: cannot remove what a dead process left there`, {
      cause: error,
    });
  }
}
