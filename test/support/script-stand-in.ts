import { chmod } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';

export interface ScriptRequest {
  /** `USER`, `SENDER`, … without the `env_` prefix. */
  env: Record<string, string>;
  message: string;
}

export interface ScriptStandIn extends AsyncDisposable {
  requests: ScriptRequest[];
  /** Connections so far: pings and guesses too. */
  readonly questions: number;
}

/**
 * Stands in for the sidecar's end of Dovecot's script protocol: `answer` gives the output, or null
 * for "failed", or undefined for never (then coi.sieve's "ping" has no answer either). A guess of
 * coi.sieve's is a request only if it is right.
 */
export async function startScriptStandIn(
  path: string,
  answer: (request: ScriptRequest) => string | null | undefined,
): Promise<ScriptStandIn> {
  const requests: ScriptRequest[] = [];
  const sockets = new Set<Socket>();
  let questions = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    questions += 1;
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('end', () => {
      const text = Buffer.concat(chunks).toString('latin1');
      const end = text.indexOf('\n\n');
      const env: Record<string, string> = {};
      for (const line of text.slice(0, end).split('\n')) {
        const match = /^env_([^=]+)=(.*)$/.exec(line);
        if (match?.[1] !== undefined) env[match[1]] = match[2] ?? '';
      }
      if (text.slice(0, end).endsWith('\n-\nping')) {
        if (answer({ env, message: '' }) !== undefined) socket.end('+\n');
        return;
      }
      const request = { env, message: text.slice(end + 2) };
      const output = answer(request);
      const [, guess] = /\n-\nexpect\n(.*)$/.exec(text.slice(0, end)) ?? [];
      if (guess !== undefined && output !== undefined) {
        if (guess === output) requests.push(request);
        socket.end(guess === output ? '+\n' : '-\n');
        return;
      }
      requests.push(request);
      if (output !== undefined) socket.end(output === null ? '-\n' : `${output}+\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, 511, resolve));
  await chmod(path, 0o666);
  return {
    requests,
    get questions() {
      return questions;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
