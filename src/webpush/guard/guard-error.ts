import { SidecarError } from '../../errors.ts';

/** The SSRF guard does not let a push go where it was to go. */
export class GuardError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('guard', message, options);
  }
}
