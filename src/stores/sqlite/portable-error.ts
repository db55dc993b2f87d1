import { InvalidInputError, UnavailableError, errorMessage } from '../../errors.ts';
import { DamagedError } from '../damaged-error.ts';
import type { PortableError } from './writer-messages.ts';

export function toPortableError(error: unknown): PortableError {
  const message = errorMessage(error);
  if (error instanceof DamagedError) return { kind: 'damaged', message };
  if (error instanceof UnavailableError) return { kind: 'unavailable', message };
  if (error instanceof InvalidInputError) return { kind: 'invalid_input', message };
  return { kind: 'fault', message };
}

export function fromPortableError({ kind, message }: PortableError): Error {
  if (kind === 'damaged') return new DamagedError(message);
  if (kind === 'unavailable') return new UnavailableError(message);
  if (kind === 'invalid_input') return new InvalidInputError(message);
  return new Error(message);
}
