/**
 * Ways to write a push endpoint that end up on this machine or its network, `port` being one on which
 * something listens. None of them may lead to a connection.
 */
export const HOSTILE_ENDPOINTS: readonly ((port: string) => string)[] = [
  (port) => `https://127.0.0.1:${port}/secret`,
  (port) => `https://127.1:${port}/secret`,
  (port) => `https://127.0.1:${port}/secret`,
  (port) => `https://2130706433:${port}/secret`,
  (port) => `https://0x7f000001:${port}/secret`,
  (port) => `https://0x7f.0.0.1:${port}/secret`,
  (port) => `https://0x7f.1:${port}/secret`,
  (port) => `https://017700000001:${port}/secret`,
  (port) => `https://0177.0.0.1:${port}/secret`,
  (port) => `https://0177.0.0.01:${port}/secret`,
  (port) => `https://127.0.0.1.:${port}/secret`,
  (port) => `https://127.0.0.2:${port}/secret`,
  (port) => `https://%31%32%37.0.0.1:${port}/secret`,
  (port) => `https://127。0。0。1:${port}/secret`,
  (port) => `https://１２７.0.0.1:${port}/secret`,
  (port) => `https://0:${port}/secret`,
  (port) => `https://0.0.0.0:${port}/secret`,
  (port) => `https://[::1]:${port}/secret`,
  (port) => `https://[0:0:0:0:0:0:0:1]:${port}/secret`,
  (port) => `https://[::]:${port}/secret`,
  (port) => `https://[::ffff:127.0.0.1]:${port}/secret`,
  (port) => `https://[::ffff:7f00:1]:${port}/secret`,
  (port) => `https://[::127.0.0.1]:${port}/secret`,
  (port) => `https://[64:ff9b::127.0.0.1]:${port}/secret`,
  (port) => `https://[64:ff9b::7f00:1]:${port}/secret`,
  (port) => `https://[2002:7f00:1::]:${port}/secret`,
  (port) => `https://[fe80::1%25lo]:${port}/secret`,
  (port) => `https://169.254.169.254:${port}/secret`,
  (port) => `https://10.0.0.1:${port}/secret`,
  (port) => `https://user:pass@127.0.0.1:${port}/secret`,
  (port) => `https://push.example.org@127.0.0.1:${port}/secret`,
  (port) => `https://push.example.org\\@127.0.0.1:${port}/secret`,
  (port) => `https:127.0.0.1:${port}/secret`,
  (port) => `http://127.0.0.1:${port}/secret`,
];

/** Names that stand for this machine; what they resolve to is judged when a connection is made. */
export const HOSTILE_NAMES: readonly ((port: string) => string)[] = [
  (port) => `https://localhost:${port}/secret`,
  (port) => `https://LOCALHOST:${port}/secret`,
  (port) => `https://localhost.:${port}/secret`,
  (port) => `https://push.localhost:${port}/secret`,
  (port) => `https://ip6-localhost:${port}/secret`,
];
