import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface DoveadmStandIn {
  readonly url: string;
  close(): void;
}

/**
 * Dovecot's doveadm HTTP API for users who have nothing: every command succeeds, and finds no message.
 * The real one takes as much of the machine as all else together, which is not what is measured.
 */
export async function startDoveadmStandIn(): Promise<DoveadmStandIn> {
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const commands = JSON.parse(body || '[]') as [
        name: string,
        parameters: unknown,
        tag: string,
      ][];
      response.end(JSON.stringify(commands.map(([, , tag]) => ['doveadmResponse', [], tag])));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/doveadm/v1`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
