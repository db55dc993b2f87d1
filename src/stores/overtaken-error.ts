import { UnavailableError } from '../errors.ts';

/** What a commit expected is not so: somebody else was faster, and nothing was changed. */
export class OvertakenError extends UnavailableError {
  constructor() {
    super('Another sidecar has changed the same at the same time; nothing was stored. Try again.');
  }
}
