import { readFile } from 'node:fs/promises';

/** A socket that takes TCP connections on this host. */
export interface TcpListener {
  port: number;
  /** Whose process made it. */
  uid: number;
}

/** `0A` of `st`: TCP_LISTEN of the kernel's include/net/tcp_states.h. */
const LISTENING = /^\s*\d+: [\dA-F]+:([\dA-F]{4}) \S+ 0A (?:\S+ ){3}\s*(\d+)/gm;

/** Everything on this host that takes TCP connections; empty where there is no /proc. */
export async function tcpListeners(): Promise<TcpListener[]> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  return tables
    .flatMap((table) => [...table.matchAll(LISTENING)])
    .map(([, port = '', uid]) => ({ port: Number.parseInt(port, 16), uid: Number(uid) }));
}
