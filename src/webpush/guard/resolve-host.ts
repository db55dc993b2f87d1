import { lookup, Resolver } from 'node:dns/promises';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SidecarError } from '../../errors.ts';
import { isAddress } from './is-address.ts';

export interface ResolvedAddress {
  address: string;
  family: 4 | 6;
}

/**
 * All addresses of a name that are known within a moment, IPv4 first.
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

export interface HostResolverOptions {
  /** hosts(5). */
  hostsFile?: string;
  /** resolv.conf(5): when it changes, the name servers are read anew. */
  resolvConf?: string;
  /** Asks the name servers that the system names at the moment. */
  createResolver?: () => Pick<Resolver, 'resolve4' | 'resolve6'>;
}

/**
 * RFC 8305 section 3: what the other family may still take when one has answered. Broken firewalls drop
 * AAAA queries altogether.
 */
const OTHER_FAMILY_MSECS = 50;

/**
 * Names from subscriptions are looked for in /etc/hosts and then asked of the name servers, both of
 * which are read anew when they change. `getaddrinfo` would do as much, but takes one of the process's
 * four worker threads for as long as a hostile name server likes: four such names would hold up every
 * push, and every file. Names that the administrator listed take that way all the same, since they may
 * come from whatever nsswitch.conf(5) knows.
 */
export function createHostResolver(
  timeoutMsecs: number,
  options: HostResolverOptions = {},
): ResolveHost {
  const { hostsFile = '/etc/hosts', resolvConf = '/etc/resolv.conf' } = options;
  const timeout = Math.max(100, Math.ceil(timeoutMsecs / 2));
  const createResolver = options.createResolver ?? (() => new Resolver({ timeout, tries: 2 }));
  const hosts = new FileView(hostsFile, parseHosts);
  const nameServers = new FileView(resolvConf, createResolver);

  return async (host, trusted) => {
    try {
      if (trusted) {
        const found = await lookup(host, { all: true, order: 'ipv4first' });
        return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
      }
      const listed = (await hosts.current()).get(host);
      return listed ?? (await askNameServers(await nameServers.current(), host));
    } catch (cause) {
      throw new ResolveError('the name of the push service cannot be resolved', { cause });
    }
  };
}

async function askNameServers(
  resolver: Pick<Resolver, 'resolve4' | 'resolve6'>,
  host: string,
): Promise<ResolvedAddress[]> {
  const ask = async (family: 4 | 6): Promise<ResolvedAddress[]> => {
    const found = await (family === 4 ? resolver.resolve4(host) : resolver.resolve6(host));
    return found.map((address) => ({ address, family }));
  };
  const asked = [ask(4), ask(6)];
  try {
    await Promise.any(asked);
  } catch {
    return await (asked[0] as Promise<never>); // neither has one: what was said of IPv4
  }
  // Whoever has not answered by then is taken to have nothing.
  const waited = sleep(OTHER_FAMILY_MSECS, []);
  const found = asked.map((answer) => Promise.race([answer, waited]).catch(() => []));
  return (await Promise.all(found)).flat();
}

/** What is made of a file, made anew when the file has changed; a file that is not there is empty. */
class FileView<T> {
  readonly #path: string;
  readonly #make: (text: string) => T;
  #made: { stamp: string; value: T } | undefined;

  constructor(path: string, make: (text: string) => T) {
    this.#path = path;
    this.#make = make;
  }

  async current(): Promise<T> {
    const stamp = await stat(this.#path, { bigint: true }).then(
      ({ ino, size, mtimeNs }) => `${ino} ${size} ${mtimeNs}`,
      () => '',
    );
    if (this.#made?.stamp !== stamp) {
      const text = stamp === '' ? '' : await readFile(this.#path, 'utf8').catch(() => '');
      this.#made = { stamp, value: this.#make(text) };
    }
    return this.#made.value;
  }
}

/** "192.0.2.1  push.example.org  push # a comment", one or more lines a name. */
function parseHosts(text: string): ReadonlyMap<string, ResolvedAddress[]> {
  const hosts = new Map<string, ResolvedAddress[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    if (!isAddress(address)) continue;
    const resolved: ResolvedAddress = { address, family: address.includes(':') ? 6 : 4 };
    for (const name of names) {
      const key = name.toLowerCase();
      const known = hosts.get(key) ?? [];
      hosts.set(
        key,
        [...known, resolved].sort((one, other) => one.family - other.family),
      );
    }
  }
  return hosts;
}
