import dns, { Resolver } from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';

export interface NameService {
  /** The name has this address from now on, or none. */
  set(name: string, address: string | null): void;
  restore(): void;
}

/**
 * Stands in for the name service of this machine as far as this process asks it (`getaddrinfo`), and for
 * the name servers (`Resolver`), since a test may change neither. Names that were never set are resolved
 * as ever.
 */
export function standInForNameService(): NameService {
  const real = dns.lookup;
  const { resolve4, resolve6 } = Resolver.prototype as { [method in AskMethod]: Ask };
  const names = new Map<string, string | null>();
  const replace = (lookup: typeof dns.lookup): void => {
    dns.lookup = lookup;
    syncBuiltinESMExports();
  };
  replace((async (name: string, options: object) => {
    const address = names.get(name);
    if (address === undefined) return real(name, options);
    if (address !== null) return [{ address, family: 4 }];
    throw notFound(name);
  }) as typeof dns.lookup);
  const ask = (otherwise: Ask, of: (address: string) => string[]): Ask =>
    async function (name) {
      const address = names.get(name);
      if (address === undefined) return otherwise.call(this, name);
      if (address === null) throw notFound(name);
      return of(address);
    };
  Object.assign(Resolver.prototype, {
    resolve4: ask(resolve4, (address) => [address]),
    resolve6: ask(resolve6, () => []),
  });
  return {
    set: (name, address) => void names.set(name, address),
    restore: () => {
      replace(real);
      Object.assign(Resolver.prototype, { resolve4, resolve6 });
    },
  };
}

const notFound = (name: string): Error =>
  Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });

type AskMethod = 'resolve4' | 'resolve6';
type Ask = (this: Resolver, name: string) => Promise<string[]>;
