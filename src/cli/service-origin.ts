import { parseListenAddress } from '../config/parse-listen-address.ts';

/** Where this host reaches a service that listens there: `0.0.0.0:9380` → `http://127.0.0.1:9380`. */
export function serviceOrigin(listen: string): string {
  const { host, port } = parseListenAddress(listen);
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
