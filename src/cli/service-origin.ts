import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { findOutbox } from '../config/find-outbox.ts';
import { parseListenAddress } from '../config/parse-listen-address.ts';
import type { Config } from '../config/schema.ts';
import type { HttpPlace } from '../peer/checked-connector.ts';

/** Where this host reaches a service that listens there: `0.0.0.0:9380` → `http://127.0.0.1:9380`. */
export function serviceOrigin(listen: string): string {
  const { host, port } = parseListenAddress(listen);
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

/** How a command talks to the service: by its unix socket where there is one, else by TCP. */
export function servicePlace({ http }: Config): HttpPlace & { where: string } {
  if (http.socket !== '' && existsSync(http.socket)) {
    return { origin: 'http://coi-sidecar', socketPath: http.socket, where: http.socket };
  }
  const origin = serviceOrigin(http.listen);
  return { origin, where: origin };
}

/** Whose processes may be the service, besides root's: those of the user who has its outbox. */
export const serviceUsers = (config: Config) => async (): Promise<number[]> => {
  const found = await stat(findOutbox(config).path).catch(() => undefined);
  return found === undefined ? [] : [found.uid];
};
