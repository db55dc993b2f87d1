import { lookup } from 'node:dns/promises';
import { lstat, realpath } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import ipaddr from 'ipaddr.js';
import { errorMessage, SidecarError } from '../errors.ts';
import { plainAddress, portInHex, readTcpSockets, type TcpSocket } from './tcp-sockets.ts';

/** Somebody else than the one that it is for would get a secret; nothing was sent. */
export class UntrustedPeerError extends SidecarError {
  constructor(message: string, options?: ErrorOptions) {
    super('untrusted_peer', message, options);
  }
}

/**
 * Makes sure that the other end of a TCP connection is no process of another user on this host: any of
 * them can take a port above 1023 that is free for a moment. Another host is not looked at; there, only
 * TLS can tell.
 *
 * @param before who listened on the port before the connection was made ({@link readListeners}): whoever
 *   has accepted it may have left the port since, to one who is trusted
 * @param trusted uids that may be shown a secret
 * @throws UntrustedPeerError it is, or it cannot be told
 */
export async function checkTcpPeer(
  socket: Socket,
  before: readonly TcpSocket[],
  trusted: ReadonlySet<number>,
): Promise<void> {
  const { remoteAddress, remotePort = 0, localAddress, localPort = 0 } = socket;
  if (remoteAddress === undefined || localAddress === undefined) {
    throw new UntrustedPeerError('the connection was closed before anything was sent');
  }
  const peer = plainAddress(remoteAddress);
  const self = plainAddress(localAddress);
  if (peer !== self && ipaddr.parse(peer).range() !== 'loopback') return;
  const where = `port ${remotePort} of ${peer}`;
  const found = await readSocketsAt(remotePort).catch((error: unknown) => {
    throw cannotTell(where, error);
  });
  const sockets = found.filter(({ local }) => local.port === remotePort);
  const listeners = listenersFor(peer, sockets);
  // Not whose process has accepted: Dovecot's change to the user whose mail they read.
  checkListeners(listeners, where, trusted);
  const known = new Set(listenersFor(peer, before).map(({ inode }) => inode));
  if (listeners.some(({ inode }) => !known.has(inode))) throw changedHands(where);
  const isHere = sockets.some(
    ({ local, remote }) => local.address === peer && remote.port === localPort,
  );
  if (listeners.length === 0 && isHere) {
    throw new UntrustedPeerError(`nobody listens on ${where} any more; nothing was sent`);
  }
  // Neither: root has it led out of this network namespace, to a container's published port.
}

/**
 * The same for a client package that does not show its sockets; once it has connected, and before it
 * sends anything. Whoever accepted a connection of this user's is looked at as well, which tells nothing
 * of servers that change their user.
 *
 * @param host as it was connected to: a name or an address
 * @throws UntrustedPeerError, or the error of the name's lookup
 */
export async function checkHost(
  host: string,
  port: number,
  trusted: ReadonlySet<number>,
): Promise<void> {
  const own = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map(({ address }) => plainAddress(address)),
  );
  const addresses = (await lookup(host, { all: true })).map(({ address }) => plainAddress(address));
  const here = addresses.filter(
    (address) => own.includes(address) || ipaddr.parse(address).range() === 'loopback',
  );
  if (here.length === 0) return;
  const sockets = await readSocketsAt(port).catch((error: unknown) => {
    throw cannotTell(`port ${port} of ${here.join(', ')}`, error);
  });
  const self = process.geteuid?.();
  const isOurs = ({ remote: { address, port: from } }: TcpSocket): boolean =>
    sockets.some(
      ({ local, uid }) => uid === self && local.port === from && local.address === address,
    );
  const listening = sockets.filter(({ local }) => local.port === port);
  for (const address of here) {
    checkListeners(listenersFor(address, listening), `port ${port} of ${address}`, trusted);
    const accepted = sockets.filter(
      ({ listening, local, uid }) =>
        !listening && local.port === port && local.address === address && !trusted.has(uid),
    );
    if (accepted.some(isOurs)) throw changedHands(`port ${port} of ${address}`);
  }
}

/** Who listens on a port, at whatever address of this host; nobody where that cannot be told. */
export const readListeners = (port: number): Promise<TcpSocket[]> =>
  readSocketsAt(port).then(
    (sockets) => sockets.filter(({ listening, local }) => listening && local.port === port),
    () => [],
  );

/** Both ends of its connections, and who listens. */
function readSocketsAt(port: number): Promise<TcpSocket[]> {
  const hex = portInHex(port);
  return readTcpSockets((line) => line.includes(hex));
}

function checkListeners(
  listeners: readonly TcpSocket[],
  where: string,
  trusted: ReadonlySet<number>,
): void {
  const stranger = listeners.find(({ uid }) => !trusted.has(uid));
  if (stranger === undefined) return;
  throw new UntrustedPeerError(
    `${where} is held by a process of uid ${stranger.uid}, which may not be shown a secret; nothing was sent`,
  );
}

const changedHands = (where: string): UntrustedPeerError =>
  new UntrustedPeerError(`${where} has changed hands while it was connected to; nothing was sent`);

const cannotTell = (where: string, cause: unknown): UntrustedPeerError =>
  new UntrustedPeerError(
    `whose process listens on ${where} cannot be told (${errorMessage(cause)}); nothing was sent`,
    { cause },
  );

/** The kernel prefers the listener of an address to that of all. "::" stands for IPv4 as well. */
function listenersFor(address: string, sockets: readonly TcpSocket[]): TcpSocket[] {
  const unspecified = ipaddr.parse(address).kind() === 'ipv4' ? [ANY_IPV4, ANY_IPV6] : [ANY_IPV6];
  const at = (where: string): TcpSocket[] =>
    sockets.filter(({ listening, local }) => listening && local.address === where);
  return [address, ...unspecified].map(at).find(({ length }) => length > 0) ?? [];
}

const ANY_IPV4 = '0.0.0.0';
const ANY_IPV6 = plainAddress('::');

/**
 * Makes sure that nobody but the trusted can have put the socket at a path: every directory above it is
 * theirs, and nobody else may write there. In a sticky directory (`/tmp`) others may write, and not
 * replace what is not theirs.
 *
 * @throws UntrustedPeerError somebody else could have; Error with the system's code: it is not there
 */
export async function checkSocketOwner(path: string, trusted: ReadonlySet<number>): Promise<void> {
  const socket = await realpath(path);
  let isTheirs = false; // what is in a directory of theirs that others cannot write to
  for (const part of [...parentsOf(socket), socket]) {
    const { uid, mode } = await lstat(part);
    const isDirectory = part !== socket;
    if (!trusted.has(uid) && (isDirectory || !isTheirs)) {
      throw new UntrustedPeerError(
        `${part} belongs to uid ${uid}, which may not be shown a secret; nothing was sent to ${path}`,
      );
    }
    isTheirs = (mode & OTHERS_MAY_WRITE) === 0;
    if (isDirectory && !isTheirs && (mode & STICKY) === 0) {
      throw new UntrustedPeerError(
        `others may write to ${part} (mode ${(mode & 0o7777).toString(8).padStart(4, '0')}) and put a socket of their own in the place of ${path}; nothing was sent`,
      );
    }
  }
}

/** `/run/dovecot/http` → `/`, `/run`, `/run/dovecot`. */
const parentsOf = (path: string): string[] => {
  const parent = dirname(path);
  return parent === '/' ? [parent] : [...parentsOf(parent), parent];
};

const OTHERS_MAY_WRITE = 0o022;
const STICKY = 0o1000;
