import { GuardError } from './guard-error.ts';
import type { GuardPolicy } from './guard-policy.ts';
import { judgeAddress } from './judge-address.ts';
import { needsPermission } from './judge-endpoint.ts';
import type { ResolvedAddress, ResolveHost } from './resolve-host.ts';
import { isAddress } from './is-address.ts';

export interface Destination {
  /** `https:` or `http:`. */
  protocol: string;
  /** A name, or an address without brackets. */
  host: string;
  port: number;
}

/**
 * Resolves a destination and judges every address that it has: one bad answer among good ones is an
 * attack or a mistake, and either way no reason to go on.
 *
 * @throws GuardError an address is neither public nor allowed
 * @throws ResolveError the name has no address
 */
export async function judgeHost(
  destination: Destination,
  policy: GuardPolicy,
  resolve: ResolveHost,
): Promise<ResolvedAddress[]> {
  const { host, port } = destination;
  const trusted = policy.allowsHost(host, port);
  const addresses = isAddress(host) ? [literal(host)] : await resolve(host, trusted);
  if (addresses.length === 0) throw new GuardError('the push service has no address');
  for (const { address } of addresses) judgeConnection(address, destination, policy);
  return addresses;
}

/** @throws GuardError a push to `destination` must not go to `address` */
export function judgeConnection(
  address: string,
  { protocol, host, port }: Destination,
  policy: GuardPolicy,
): void {
  if (policy.allowsHost(host, port)) return;
  if (policy.allowsAddress(address, port)) return;
  const range = judgeAddress(address);
  if (range !== undefined) {
    throw new GuardError(
      `the push service's address is not public (${range}); if it is yours, list it in webpush.allow_private_endpoints`,
    );
  }
  if (needsPermission(protocol, port)) {
    throw new GuardError('pushes go to https:// on port 443 or above 1023 only');
  }
}

const literal = (host: string): ResolvedAddress => ({
  address: host,
  family: host.includes(':') ? 6 : 4,
});
