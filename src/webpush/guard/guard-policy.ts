import ipaddr from 'ipaddr.js';
import { InvalidInputError } from '../../errors.ts';
import { isAddress } from './is-address.ts';

/** What `webpush.allow_private_endpoints` lets through, on top of the public Internet. */
export interface GuardPolicy {
  /** @param host a name in lower case or an address as `URL.hostname` gives it, without brackets */
  allowsHost(host: string, port: number): boolean;
  allowsAddress(address: string, port: number): boolean;
  /** Whether any entry is an address, so that a name may turn out to be allowed once it is resolved. */
  readonly hasAddresses: boolean;
  /** Whether a test receiver of this host listens there now: never a matter for a proxy. */
  isTestReceiver(host: string, port: number): boolean;
}

interface Rule<T> {
  what: T;
  port: number | undefined;
}

/**
 * Takes host names, addresses and CIDRs; a name or address may be limited to one port
 * (`ntfy.lan:8080`, `10.0.0.5:8080`, `[fd00::5]:8080`). A name covers itself only, not what is below.
 *
 * @throws InvalidInputError naming the entry that is none of these
 */
export function parseGuardPolicy(entries: readonly string[]): GuardPolicy {
  const hosts: Rule<string>[] = [];
  const ranges: Rule<[ipaddr.IPv4 | ipaddr.IPv6, number]>[] = [];
  for (const entry of entries) {
    const text = entry.trim();
    const { host, port } = splitPort(text);
    const range = parseRange(host);
    if (range !== undefined) ranges.push({ what: range, port });
    else hosts.push({ what: parseHostName(host, entry), port });
  }
  const allowsAddress = (address: string, port: number): boolean => {
    if (!isAddress(address)) return false;
    const parsed = ipaddr.process(address);
    return ranges.some(
      ({ what: [network, bits], port: only }) =>
        (only === undefined || only === port) &&
        parsed.kind() === network.kind() &&
        parsed.match(network, bits),
    );
  };
  return {
    allowsHost: (host, port) =>
      allowsAddress(host, port) ||
      hosts.some((rule) => rule.what === host && (rule.port === undefined || rule.port === port)),
    allowsAddress,
    hasAddresses: ranges.length > 0,
    isTestReceiver: () => false,
  };
}

function splitPort(text: string): { host: string; port: number | undefined } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match !== null) return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
  return { host: text.replace(/^\[(.*)\]$/, '$1'), port: undefined };
}

function parseRange(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | undefined {
  // ipaddr.js reads "127.1" and "0x7f.1" as addresses too; an entry like that is more likely a slip.
  if (!/^(\d+\.\d+\.\d+\.\d+|[0-9a-f.]*:[0-9a-f:.]*)(\/\d+)?$/i.test(text)) return undefined;
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  if (!ipaddr.isValid(text)) return undefined;
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

function parseHostName(host: string, entry: string): string {
  const name = URL.parse(`http://${host}/`)?.hostname ?? '';
  if (/[/?#@\\:\s*]/.test(host) || !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name) || isAddress(name)) {
    throw new InvalidInputError(
      `webpush.allow_private_endpoints: "${entry}" is no host name, address or CIDR; write "ntfy.lan", "ntfy.lan:8080", "10.0.0.5" or "10.0.0.0/8"`,
    );
  }
  return name;
}
