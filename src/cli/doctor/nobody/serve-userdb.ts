import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:net';

/** A user database that knows one user. */
export interface UserdbStandIn extends AsyncDisposable {
  readonly path: string;
}

/**
 * Answers a mail process of Dovecot's who a user is, as its auth process does for users of the site.
 *
 *     < USER 1 coi-sidecar-doctor service=lda
 *     > USER 1 coi-sidecar-doctor uid=8 gid=8 home=/tmp/x
 *
 * @param path of the socket; who may connect is up to its directory
 * @see Dovecot src/lib-auth/auth-master.c (2.4: src/lib-auth-client), auth_master_user_lookup
 */
export async function serveUserdb(
  path: string,
  user: string,
  fields: Readonly<Record<string, string>>,
): Promise<UserdbStandIn> {
  const found = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  const server = createServer((socket) => {
    let rest = '';
    socket.setEncoding('utf8').on('error', () => undefined);
    socket.write(`VERSION\t1\t1\nSPID\t${process.pid}\n`);
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [command, id = '', name] = line.split('\t');
        if (command !== 'USER') continue;
        const answer = name === user ? ['USER', id, user, ...found] : ['NOTFOUND', id];
        socket.write(`${answer.join('\t')}\n`);
      }
    });
  });
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o666);
  return { path, [Symbol.asyncDispose]: () => closing(server) };
}

const closing = async (server: ReturnType<typeof createServer>): Promise<void> => {
  server.close();
  await once(server, 'close');
};
