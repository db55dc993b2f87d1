import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A process of another user (nobody) that has taken a port, answers 200 to everything, and keeps what it is sent. */
export interface Impostor extends AsyncDisposable {
  port: number;
  /** All octets that came, as text. */
  heard(): string;
}

const PROGRAM = `
const server = require('node:http').createServer((request, response) => {
  console.log(JSON.stringify([request.method, request.url, request.headers]));
  response.end('[]');
});
server.listen(Number(process.argv[1]), process.argv[2], () => console.log(server.address().port));
`;

/** Needs root: only that may become somebody else. */
export async function startImpostor(host = '127.0.0.1', port = 0): Promise<Impostor> {
  const become = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--pdeathsig', 'KILL'];
  const child = spawn(
    'setpriv',
    [...become, process.execPath, '-e', PROGRAM, '--', String(port), host],
    { stdio: ['ignore', 'pipe', 'inherit'], cwd: '/' },
  );
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout);
  const [first] = (await once(lines, 'line')) as [string];
  let heard = '';
  lines.on('line', (line) => (heard += `${line}\n`));
  return {
    port: Number(first),
    heard: () => heard,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
