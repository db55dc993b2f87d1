import { SidecarError } from '../errors.ts';

/** As much waits for one user as may: there has to be room for the others. */
export class OverShareError extends SidecarError {
  constructor(options?: ErrorOptions) {
    super('over_share', 'too many events wait for this user', options);
  }
}
