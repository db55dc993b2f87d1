import type { InetListener } from './dovecot-settings.ts';

/**
 * A listener of a service as it is reached from this host.
 *
 * @param addresses as `listen` has them: `*, ::`, `127.0.0.1`
 */
export function inetListener(
  name: string,
  addresses: string,
  port: number,
  tls: boolean,
): InetListener {
  const all = addresses.split(/[\s,]+/).filter((address) => address !== '');
  const everywhere = all.length === 0 || all.some((address) => address === '*' || address === '::');
  const own = all.find((address) => address !== '*' && address !== '::');
  const host = own ?? (all.includes('*') || all.length === 0 ? '127.0.0.1' : '::1');
  return { name, host, port, tls, everywhere };
}
