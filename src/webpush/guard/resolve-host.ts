import { lookup, Resolver } from 'node:dns/promises';
import { SidecarError } from '../../errors.ts';

export interface ResolvedAddress {
  address: string;
  family: 4 | 6;
}

/**
 * All addresses of a name, IPv4 first.
 *
 * @param trusted the name is the administrator's own (`allow_private_endpoints`)
 * @throws ResolveError the name has no address, or no name server answered in time
 */
export type ResolveHost = (host: string, trusted: boolean) => Promise<ResolvedAddress[]>;

/** A name could not be resolved; `cause` has the resolver's own code. */
export class ResolveError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('dns', message, options);
  }
}

/**
 * Names from subscriptions are asked of the name servers directly: `getaddrinfo` would take one of the
 * process's four worker threads for as long as a hostile name server likes, and four such names would
 * hold up everyone. Names that the administrator listed may live in /etc/hosts and take that way.
 */
export function createHostResolver(timeoutMsecs: number): ResolveHost {
  const resolver = new Resolver({ timeout: Math.max(100, Math.ceil(timeoutMsecs / 2)), tries: 2 });
  return async (host, trusted) => {
    try {
      if (trusted) {
        const found = await lookup(host, { all: true, order: 'ipv4first' });
        return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
      }
      return await askNameServers(resolver, host);
    } catch (cause) {
      throw new ResolveError('the name of the push service cannot be resolved', { cause });
    }
  };
}

async function askNameServers(resolver: Resolver, host: string): Promise<ResolvedAddress[]> {
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  if (v4.status === 'rejected' && v6.status === 'rejected') throw v4.reason;
  const of = (family: 4 | 6, found: PromiseSettledResult<string[]>): ResolvedAddress[] =>
    found.status === 'fulfilled' ? found.value.map((address) => ({ address, family })) : [];
  return [...of(4, v4), ...of(6, v6)];
}
