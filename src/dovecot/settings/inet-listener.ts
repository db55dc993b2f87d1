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

/** A unix listener that the master leaves out (src/master/service.c). */
export const isDisabled = (values: ReadonlyMap<string, string>): boolean =>
  /^0+$/.test(values.get('mode') ?? '');
