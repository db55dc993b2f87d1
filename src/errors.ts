/**
 * The base of every error that this service raises on purpose.
 *
 * `code` is stable and safe to use as a metric label; `message` says what is wrong, where, and what
 * to do, and never contains a secret, a token or a push endpoint.
 */
export class SidecarError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The caller sent something that breaks a rule; the message may be shown to them. */
export class InvalidInputError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('invalid_input', message, options);
  }
}

/** What the caller named does not exist. */
export class NotFoundError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('not_found', message, options);
  }
}

/** The request is sound, but the service is set up, or the thing stands, so that it cannot be done. */
export class ConflictError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('conflict', message, options);
  }
}

/** A part that this service depends on (store, Dovecot, disk) does not answer or refuses. */
export class UnavailableError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('unavailable', message, options);
  }
}

/** The message of anything that was thrown. */
export const errorMessage = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
