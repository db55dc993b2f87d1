import { SidecarError } from '../../errors.ts';

/** The proxy refused, failed or did not answer; the push service was never asked. */
export class ProxyError extends SidecarError {
  /** `auth`: the proxy wants other credentials (407); `refused`: it did not open this one tunnel. */
  readonly kind: 'auth' | 'refused' | 'down';

  constructor(kind: 'auth' | 'refused' | 'down', message: string, options?: ErrorOptions) {
    super('proxy', message, options);
    this.kind = kind;
  }
}
