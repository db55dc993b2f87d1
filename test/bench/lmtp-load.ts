import { LmtpConnection, type LmtpAddress } from '../../src/cli/demo/lmtp-client.ts';

export interface LmtpLoad {
  users: readonly string[];
  connections: number;
  messages: number;
  /** Makes the next message. */
  message: () => string;
}

/**
 * Delivers `messages` to the users in turn, over so many connections at a time.
 *
 * @returns the time that it took in milliseconds
 */
export async function deliverLoad(address: LmtpAddress, load: LmtpLoad): Promise<number> {
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => LmtpConnection.open(address)),
  );
  let turn = 0;
  const started = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      while (turn < load.messages) {
        const user = load.users[turn++ % load.users.length] ?? '';
        const { replies } = await connection.deliver('sender@example.org', [user], load.message());
        const refused = replies.find(({ code }) => code !== 250);
        if (refused) throw new Error(`LMTP: ${refused.code} ${refused.text}`);
      }
    }),
  );
  const elapsed = performance.now() - started;
  await Promise.all(connections.map((connection) => connection.close()));
  return elapsed;
}

let serial = 0;

const HEADERS = ['From: Alice <alice@example.org>', 'To: bob@example.org', 'Subject: Hello there'];
const OCTETS = 1_000;

/** A message of 1 kB that no one has seen before. */
export function nextMessage(kind: 'chat' | 'mail'): string {
  const head = [
    ...HEADERS,
    'Date: Mon, 01 Jan 2024 12:00:00 +0100',
    `Message-ID: <${kind === 'chat' ? 'chat$' : ''}${(serial += 1)}.${process.pid}@example.org>`,
    ...(kind === 'chat' ? ['Chat-Version: 1.0'] : []),
    'Content-Type: text/plain; charset=utf-8',
    '',
    '',
  ].join('\r\n');
  const lines = 'How are you today? It is all fine here, and the weather is good.\r\n'.repeat(15);
  return head + lines.slice(0, OCTETS - head.length - 2) + '\r\n';
}
