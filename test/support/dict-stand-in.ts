import { chmod } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';

export interface DictStandIn extends AsyncDisposable {
  lines: string[];
  /** Keys and values, as Dovecot names them. */
  values: Map<string, string>;
}

/** Just enough of the dict protocol to stand in for the sidecar: look up, iterate, set, commit. */
export async function startDictStandIn(path: string): Promise<DictStandIn> {
  const lines: string[] = [];
  const values = new Map<string, string>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let pending = '';
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      const parts = (pending + chunk).split('\n');
      pending = parts.pop() ?? '';
      for (const line of parts) {
        lines.push(line);
        const [first = '', second = '', third = ''] = line.slice(1).split('\t');
        if (line.startsWith('L')) {
          const value = values.get(first);
          socket.write(value === undefined ? 'N\n' : `O${value}\n`);
        } else if (line.startsWith('I')) {
          for (const [key, value] of values) {
            if (key.startsWith(third)) socket.write(`O${key}\t${value}\n`);
          }
          socket.write('\n');
        } else if (line.startsWith('S')) values.set(second, third);
        else if (line.startsWith('U')) values.delete(second);
        else if (line.startsWith('C') || line.startsWith('D')) socket.write(`O${first}\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await chmod(path, 0o666);
  return {
    lines,
    values,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
