import { readFile } from 'node:fs/promises';

/** `0A` of `st`: TCP_LISTEN of the kernel's include/net/tcp_states.h. */
const LISTEN = '0A';

/** The ports of this host at which somebody takes TCP connections; empty where there is no /proc. */
export async function tcpPorts(): Promise<number[]> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  return (
    tables
      .flatMap((table) => table.split('\n'))
      // sl local_address rem_address st …
      .map((line) => line.trim().split(/ +/))
      .filter(([, , , state]) => state === LISTEN)
      .map(([, address = '']) => Number.parseInt(address.split(':')[1] ?? '', 16))
  );
}
