import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import ipaddr from 'ipaddr.js';

/** One end of a TCP connection, or a listener, as the kernel lists it. */
export interface TcpSocket {
  /** Addresses as {@link plainAddress} writes them. */
  local: { address: string; port: number };
  remote: { address: string; port: number };
  listening: boolean;
  /** Whose process made it. 0 as well for a connection that nobody has accepted yet. */
  uid: number;
  /** Of the socket, as `/proc/self/fd` names it: `socket:[12345]`. */
  inode: number;
}

/** IPv4 within IPv6 is IPv4, and every address has one spelling. */
export const plainAddress = (text: string): string => ipaddr.process(text).toNormalizedString();

/**
 * The TCP sockets of this network namespace, whoever has them. `/proc/net` is that of the process, so it
 * is there with systemd's ProcSubset=pid, too.
 *
 * @param matches told of each line before it is taken apart, as there may be many
 * @throws Error with the system's code where there is no such file: not Linux, or no /proc
 * @see proc_pid_net(5); Linux net/ipv4/tcp_ipv4.c, get_tcp4_sock; net/ipv6/tcp_ipv6.c, get_tcp6_sock
 */
export async function readTcpSockets(matches: (line: string) => boolean): Promise<TcpSocket[]> {
  const tables = await Promise.all([
    readFile('/proc/self/net/tcp', 'latin1'),
    // A kernel without IPv6 has none.
    readFile('/proc/self/net/tcp6', 'latin1').catch(() => ''),
  ]);
  return tables.flatMap((table) => table.split('\n').slice(1).filter(matches).map(readLine));
}

/** What a line about this port holds: `0100007F:24A4`. */
export const portInHex = (port: number): string =>
  `:${port.toString(16).toUpperCase().padStart(4, '0')} `;

/** `0: 0100007F:24A4 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534 0 35996 …` */
function readLine(line: string): TcpSocket {
  const [, local = '', remote = '', state, , , , uid, , inode] = line.trim().split(/\s+/);
  return {
    local: readEnd(local),
    remote: readEnd(remote),
    listening: state === LISTEN,
    uid: Number(uid),
    inode: Number(inode),
  };
}

const LISTEN = '0A';

/** The address is in words of 32 bits, each in the byte order of the machine. */
function readEnd(text: string): TcpSocket['local'] {
  const [address = '', port = ''] = text.split(':');
  const octets = Buffer.from(address, 'hex');
  if (endianness() === 'LE') octets.swap32();
  return {
    address: plainAddress(ipaddr.fromByteArray([...octets]).toString()),
    port: Number.parseInt(port, 16),
  };
}
