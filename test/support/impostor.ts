import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A process of another user (nobody) that has taken a port, answers 200 to everything, and keeps what it is sent. */
export interface Impostor extends AsyncDisposable {
  port: number;
  /** All octets that came, as text. */
  heard(): string;
  /** Frees the port once somebody has connected; the connection stays. */
  letGo(): Promise<void>;
}

const PROGRAM = `
let connected;
const connection = new Promise((resolve) => (connected = resolve));
const server = require('node:net').createServer((socket) => {
  connected();
  socket.on('error', () => undefined).on('data', (octets) => {
    console.log(octets.toString('latin1'));
    socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n[]');
  });
});
process.stdin.once('data', async () => {
  await connection;
  server.close();
  console.log('free');
});
server.listen(Number(process.argv[1]), process.argv[2], () => console.log(server.address().port));
`;

/** Needs root: only that may become somebody else. */
export async function startImpostor(host = '127.0.0.1', port = 0): Promise<Impostor> {
  const become = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--pdeathsig', 'KILL'];
  const child = spawn(
    'setpriv',
    [...become, process.execPath, '-e', PROGRAM, '--', String(port), host],
    { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' },
  );
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout);
  const [first] = (await once(lines, 'line')) as [string];
  let heard = '';
  const free = Promise.withResolvers<undefined>();
  lines.on('line', (line) => {
    if (line === 'free') free.resolve(undefined);
    else heard += `${line}\n`;
  });
  return {
    port: Number(first),
    heard: () => heard,
    letGo: async () => {
      child.stdin.write('\n');
      await free.promise;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
