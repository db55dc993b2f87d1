import { InvalidInputError } from '../errors.ts';
import { SOCKET_LIMITS } from './socket-limits.ts';

/** @throws InvalidInputError the path is longer than the system takes */
export function checkSocketPath(path: string): void {
  if (Buffer.byteLength(path) > SOCKET_LIMITS.pathOctets) {
    throw new InvalidInputError(
      `${path}: longer than the ${SOCKET_LIMITS.pathOctets} octets that a socket path may have`,
    );
  }
}
