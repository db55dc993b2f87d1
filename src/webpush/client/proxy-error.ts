import { SidecarError } from '../../errors.ts';

/**
 * - `auth`: the proxy wants other credentials (407)
 * - `refused`: it did not open this one tunnel
 * - `untrusted`: another user's process is in its place, and was sent nothing
 */
export type ProxyFault = 'auth' | 'refused' | 'down' | 'untrusted';

/** The proxy refused, failed or did not answer; the push service was never asked. */
export class ProxyError extends SidecarError {
  readonly kind: ProxyFault;

  constructor(kind: ProxyFault, message: string, options?: ErrorOptions) {
    super('proxy', message, options);
    this.kind = kind;
  }
}
