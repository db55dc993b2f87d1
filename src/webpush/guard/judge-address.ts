import ipaddr from 'ipaddr.js';
import { isAddress } from './is-address.ts';

/** Addresses that are public by their range, and yet answered by the cloud that a machine runs in. */
const CLOUD_INTERNAL = new Set([
  // Azure's wire server: metadata, DHCP and DNS of the virtual machine.
  '168.63.129.16',
]);

/**
 * Whether an address is one that the whole Internet can reach: an allow-list, so that what nobody
 * thought of is refused. v4-mapped addresses are judged by the v4 address; NAT64, 6to4 and Teredo are
 * refused, whatever they wrap.
 *
 * @returns undefined when it is public, else the kind of address: for logs
 */
export function judgeAddress(address: string): string | undefined {
  if (!isAddress(address)) return 'invalid';
  const parsed = ipaddr.process(address);
  const range = parsed.range();
  if (range !== 'unicast') return range;
  if (CLOUD_INTERNAL.has(parsed.toString())) return 'cloudInternal';
  // RFC 4291 section 2.4: all global unicast that was ever handed out lies in 2000::/3.
  if (parsed instanceof ipaddr.IPv6 && ((parsed.parts[0] ?? 0) & 0xe000) !== 0x2000) {
    return 'unassigned';
  }
  return undefined;
}
