import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';

export interface NameService {
  /** The name has this address from now on, or none. */
  set(name: string, address: string | null): void;
  restore(): void;
}

/**
 * Stands in for the name service of this machine as far as this process asks it (`getaddrinfo`),
 * since a test may not change /etc/hosts. Names that were never set are resolved as ever.
 */
export function standInForNameService(): NameService {
  const real = dns.lookup;
  const names = new Map<string, string | null>();
  const replace = (lookup: typeof dns.lookup): void => {
    dns.lookup = lookup;
    syncBuiltinESMExports();
  };
  replace((async (name: string, options: object) => {
    const address = names.get(name);
    if (address === undefined) return real(name, options);
    if (address !== null) return [{ address, family: 4 }];
    throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
  }) as typeof dns.lookup);
  return {
    set: (name, address) => void names.set(name, address),
    restore: () => replace(real),
  };
}
