import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type ListenOptions } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client } from 'undici';
import { checkSocketOwner, UntrustedPeerError } from '../../src/peer/check-peer.ts';
import { createCheckedConnector, type HttpPlace } from '../../src/peer/checked-connector.ts';
import { trustedUids } from '../../src/peer/trusted-users.ts';
import { startImpostor } from '../support/impostor.ts';
import { notRoot } from '../support/unprivileged.ts';
import { teardownOf } from '../support/create-teardown.ts';

const SECRET = 'the-secret-that-nobody-else-may-see';

async function tell(place: HttpPlace, users: readonly (string | number)[] = []): Promise<number> {
  const client = new Client(place.origin, { connect: createCheckedConnector(place, () => users) });
  try {
    const answer = await client.request({
      ...{ method: 'GET', path: '/', headers: { authorization: SECRET } },
    });
    await answer.body.dump();
    return answer.statusCode;
  } finally {
    await client.destroy();
  }
}

async function listen(where: ListenOptions): Promise<Server> {
  const server = createServer((_request, response) => response.end()).listen(where);
  await once(server, 'listening');
  return server;
}

describe('who is told a secret over TCP', () => {
  for (const [host, reached] of [
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::1', '[::1]'],
    ['::', '127.0.0.1'],
    ['::', 'localhost'],
  ] as const) {
    it(`a process of our own user at ${reached}, listening on ${host}`, async () => {
      const server = await listen({ host, port: 0 });
      const { port } = server.address() as AddressInfo;
      assert.equal(await tell({ origin: `http://${reached}:${port}` }), 200);
      server.close();
    });

    it(
      `not one of another user at ${reached}, listening on ${host}`,
      { skip: notRoot },
      async () => {
        await using impostor = await startImpostor(host);
        const origin = `http://${reached}:${impostor.port}`;
        await assert.rejects(
          tell({ origin }),
          (error: Error) =>
            error instanceof UntrustedPeerError &&
            /held by a process of uid 65534/.test(error.message),
        );
        assert.equal(impostor.heard(), '');
        assert.equal(await tell({ origin }, ['nobody']), 200, 'unless that user is named');
        assert.equal(await tell({ origin }, ['65534']), 200);
      },
    );
  }

  it('whoever else has the port at another address is no matter', { skip: notRoot }, async () => {
    const server = await listen({ host: '127.0.0.1', port: 0 });
    const { port } = server.address() as AddressInfo;
    await using impostor = await startImpostor('::1', port);
    assert.equal(await tell({ origin: `http://127.0.0.1:${port}` }), 200);
    assert.equal(impostor.heard(), '');
    server.close();
  });

  it(
    'not one that left the port to others before it was looked at',
    { skip: notRoot },
    async (t) => {
      await using impostor = await startImpostor();
      const { port } = impostor;
      // Asked for between the connection and the look at who listens.
      const users = async (): Promise<string[]> => {
        await impostor.letGo();
        const server = await listen({ host: '127.0.0.1', port });
        teardownOf(t).defer(() => void server.close());
        return [];
      };
      const place = { origin: `http://127.0.0.1:${port}` };
      const client = new Client(place.origin, { connect: createCheckedConnector(place, users) });
      teardownOf(t).defer(() => client.destroy());
      const request = { method: 'GET', path: '/', headers: { authorization: SECRET } } as const;
      await assert.rejects(client.request(request), UntrustedPeerError);
      assert.equal(impostor.heard(), '');
      assert.equal(await tell(place), 200, 'the next connection is to who listens now');
    },
  );

  it('a user that this host does not know is nobody', async () => {
    const self = process.getuid?.() ?? 0;
    assert.deepEqual(await trustedUids(['no-such-user', '12']), new Set([0, self, 12]));
  });
});

describe('who is told a secret over a unix socket', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-peer-'));
    await chmod(dir, 0o755);
  });
  after(() => rm(dir, { recursive: true }));

  it('whoever listens where only we and root can put one', async () => {
    const socketPath = join(dir, 'http');
    const server = await listen({ path: socketPath });
    assert.equal(await tell({ origin: 'http://doveadm', socketPath }), 200);
    // Dovecot gives it to whom its configuration names.
    if (notRoot === false) await chown(socketPath, 1, 1);
    assert.equal(await tell({ origin: 'http://doveadm', socketPath }), 200);
    server.close();
  });

  it('nobody where others may replace it', async () => {
    const open = join(dir, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    const socketPath = join(open, 'http');
    const server = await listen({ path: socketPath });
    await assert.rejects(
      tell({ origin: 'http://doveadm', socketPath }),
      /others may write to .*open/,
    );
    // As /tmp is: others may add theirs, and not replace ours.
    await chmod(open, 0o1777);
    assert.equal(await tell({ origin: 'http://doveadm', socketPath }), 200);
    server.close();
  });

  it('nobody whose own directory or socket it is', { skip: notRoot }, async () => {
    const trusted = await trustedUids([]);
    const theirs = join(dir, 'theirs');
    await mkdir(theirs);
    const path = join(theirs, 'http');
    const server = await listen({ path });
    await chown(theirs, 1, 1);
    await assert.rejects(checkSocketOwner(path, trusted), /theirs belongs to uid 1,/);
    await checkSocketOwner(path, await trustedUids([1]));
    await chown(theirs, 0, 0);
    await chmod(theirs, 0o1777);
    await chown(path, 1, 1);
    await assert.rejects(checkSocketOwner(path, trusted), /http belongs to uid 1,/);
    server.close();
  });
});

describe('a peer that takes connections and ends them', () => {
  it('is not asked in a loop, and who waits is told', async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const place = { origin: `http://127.0.0.1:${port}` };
    const client = new Client(place.origin, { connect: createCheckedConnector(place, () => []) });
    const request = () => client.request({ method: 'GET', path: '/' });
    await assert.rejects(request());
    await assert.rejects(request());
    await client.destroy();
    server.close();
    assert.ok(connections <= 8, `${connections} connections`);
  });
});
