import { readlink } from 'node:fs/promises';
import type { ListenAddress } from '../config/parse-listen-address.ts';
import { plainAddress, readTcpSockets } from '../peer/tcp-sockets.ts';

/** A TCP listener that this process was started with: its port was taken before, and stays taken after it. */
export interface InheritedListener extends ListenAddress {
  fd: number;
}

/** sd_listen_fds(3): SD_LISTEN_FDS_START. */
const FIRST_FD = 3;

/**
 * What systemd has opened for this process (`coi-sidecar.socket`). Answers once: the variables are taken
 * out of the environment, so that no child takes them for its own.
 *
 * @returns the TCP listeners; anything else that was passed on is not ours to serve
 * @see sd_listen_fds(3)
 */
export async function takeInheritedListeners(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<InheritedListener[]> {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = environment;
  delete environment['LISTEN_PID'];
  delete environment['LISTEN_FDS'];
  delete environment['LISTEN_FDNAMES'];
  if (Number(pid) !== process.pid) return [];
  const listening = await readTcpSockets((line) => / 0A /.test(line));
  const found: InheritedListener[] = [];
  for (let fd = FIRST_FD; fd < FIRST_FD + Number(count); fd++) {
    const link = await readlink(`/proc/self/fd/${fd}`).catch(() => '');
    const socket = listening.find(({ inode }) => link === `socket:[${inode}]`);
    if (socket) found.push({ fd, host: socket.local.address, port: socket.local.port });
  }
  return found;
}

/** Whether a listener is where an option wants one. */
export function isAt(listener: InheritedListener, { host, port }: ListenAddress): boolean {
  const hosts = host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
  return listener.port === port && hosts.map(plainAddress).includes(listener.host);
}
