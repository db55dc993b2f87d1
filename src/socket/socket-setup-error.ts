import { SidecarError } from '../errors.ts';

/** A unix socket cannot be opened as configured; the message names its path and the remedy. */
export class SocketSetupError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('socket_setup', message, options);
  }
}

/** The `code` of a Node system error, such as ENOENT. */
export const systemErrorCode = (error: unknown): string | undefined =>
  error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
