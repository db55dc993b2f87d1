import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface LmtpReply {
  recipient: string;
  /** The SMTP code, `250` when the mail was delivered. */
  code: number;
  text: string;
}

export interface Delivery {
  replies: LmtpReply[];
  /** When the message began to leave, on the clock of `performance.now()`. */
  sentAt: number;
  /** From the end of the message to the last reply, in milliseconds. */
  elapsedMsecs: number;
}

export type LmtpAddress = { host: string; port: number } | { path: string };

/**
 * Delivers one message by LMTP (RFC 2033). Lone LF become CRLF; lines that begin with a dot are
 * stuffed. A recipient that is refused at RCPT has that reply.
 */
export async function deliver(
  address: LmtpAddress,
  from: string,
  recipients: readonly string[],
  message: string | Buffer,
): Promise<Delivery> {
  const connection = await LmtpConnection.open(address);
  try {
    return await connection.deliver(from, recipients, message);
  } finally {
    await connection.close();
  }
}

/** A connection for several deliveries, one after the other. */
export class LmtpConnection {
  readonly #socket: Socket;
  readonly #replies: { code: number; text: string }[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    let pending = '';
    let lines: string[] = [];
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (pending + chunk).split('\r\n');
      pending = parts.pop() ?? '';
      for (const line of parts) {
        lines.push(line.slice(4));
        if (line[3] === '-') continue; // `250-PIPELINING`: more lines of this reply follow
        this.#replies.push({ code: Number(line.slice(0, 3)), text: lines.join('\n') });
        lines = [];
      }
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  static async open(address: LmtpAddress): Promise<LmtpConnection> {
    const socket = connect(address);
    await once(socket, 'connect');
    const connection = new LmtpConnection(socket);
    await connection.#expect(220);
    await connection.#send('LHLO client.example.org', 250);
    return connection;
  }

  async deliver(
    from: string,
    recipients: readonly string[],
    message: string | Buffer,
  ): Promise<Delivery> {
    await this.#send(`MAIL FROM:<${from}>`, 250);
    const replies: LmtpReply[] = [];
    const accepted: string[] = [];
    for (const recipient of recipients) {
      this.#socket.write(`RCPT TO:<${recipient}>\r\n`);
      const reply = await this.#read();
      if (reply.code === 250) accepted.push(recipient);
      else replies.push({ recipient, ...reply });
    }
    if (accepted.length === 0) {
      await this.#send('RSET', 250);
      return { replies, sentAt: performance.now(), elapsedMsecs: 0 };
    }
    await this.#send('DATA', 354);
    const sentAt = performance.now();
    this.#socket.write(dotStuff(message));
    for (const recipient of accepted) replies.push({ recipient, ...(await this.#read()) });
    return { replies, sentAt, elapsedMsecs: performance.now() - sentAt };
  }

  async close(): Promise<void> {
    this.#socket.end('QUIT\r\n');
    if (!this.#ended) await once(this.#socket, 'close');
  }

  async #send(line: string, expected: number): Promise<void> {
    this.#socket.write(`${line}\r\n`);
    await this.#expect(expected);
  }

  async #expect(code: number): Promise<void> {
    const reply = await this.#read();
    if (reply.code !== code)
      throw new Error(`LMTP: expected ${code}, got ${reply.code} ${reply.text}`);
  }

  async #read(): Promise<{ code: number; text: string }> {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      if (this.#ended) throw new Error('LMTP: the server closed the connection');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** The message as DATA wants it, with the closing dot. Octets are left as they are. */
function dotStuff(message: string | Buffer): Buffer {
  const octets = Buffer.isBuffer(message) ? message.toString('latin1') : toLatin1(message);
  const lines = octets.replace(/\r?\n$/, '').split(/\r?\n/);
  const body = lines.map((line) => (line.startsWith('.') ? `.${line}` : line)).join('\r\n');
  return Buffer.from(`${body}\r\n.\r\n`, 'latin1');
}

const toLatin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
