/** A process of its own: push services that accept everything, so that they cost the bench no time. */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface TargetOptions {
  key: string;
  cert: string;
  count: number;
}

process.once('message', ({ key, cert, count }: TargetOptions) => {
  const servers = Array.from({ length: count }, () =>
    createServer({ key, cert, keepAliveTimeout: 60_000 }, (request, response) => {
      request.resume().once('end', () => response.writeHead(201).end());
    }).listen(0, '127.0.0.1'),
  );
  void Promise.all(
    servers.map((server) => new Promise((resolve) => server.once('listening', resolve))),
  ).then(() => {
    process.send?.(servers.map((server) => (server.address() as AddressInfo).port));
  });
});
process.once('disconnect', () => process.exit());
