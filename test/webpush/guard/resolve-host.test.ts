import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createHostResolver, ResolveError } from '../../../src/webpush/guard/resolve-host.ts';

const TYPE_A = 1;
const TYPE_AAAA = 28;

/** What a name server does with a question of that type: four or sixteen octets, "none", or silence. */
type Behaviour = (type: number) => readonly number[] | 'none' | 'silence';

/** A real name server on loopback: one question in, one answer out (RFC 1035 section 4.1). */
async function startNameServer(behaviour: Behaviour): Promise<{ at: string; socket: Socket }> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const nameEnd = query.indexOf(0, 12) + 1;
    const type = query.readUInt16BE(nameEnd);
    const answer = behaviour(type);
    if (answer === 'silence') return;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x81_80, 2); // an answer, recursion available, no error
    header.writeUInt16BE(answer === 'none' ? 0 : 1, 6);
    header.writeUInt32BE(0, 8);
    const question = query.subarray(12, nameEnd + 4);
    // The name as a pointer to the question's, type, class IN, TTL 0, length, octets.
    const record =
      answer === 'none' ? [] : [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, answer.length, ...answer];
    socket.send(Buffer.concat([header, question, Buffer.from(record)]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { at: `127.0.0.1:${socket.address().port}`, socket };
}

describe('createHostResolver', () => {
  let directory = '';
  const sockets: Socket[] = [];
  const resolvers: Resolver[] = [];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'resolve-host-'));
  });
  after(async () => {
    for (const resolver of resolvers) resolver.cancel();
    for (const socket of sockets) socket.close();
    await rm(directory, { recursive: true });
  });

  /** A resolver that finds its name server in a file, as c-ares does in resolv.conf (without ports). */
  async function resolverFor(behaviour: Behaviour, hosts = '') {
    const { at, socket } = await startNameServer(behaviour);
    sockets.push(socket);
    const resolvConf = join(directory, `resolv-${at}`);
    const hostsFile = join(directory, `hosts-${at}`);
    await writeFile(resolvConf, at);
    await writeFile(hostsFile, hosts);
    const createResolver = () => {
      const resolver = new Resolver({ timeout: 600_000, tries: 1 });
      resolvers.push(resolver);
      resolver.setServers([readFileSync(resolvConf, 'utf8')]);
      return resolver;
    };
    return {
      hostsFile,
      resolvConf,
      at,
      resolve: createHostResolver(20_000, { hostsFile, resolvConf, createResolver }),
    };
  }
  const V4 = [192, 0, 2, 1];
  const V6 = [0x20, 0x01, 0x0d, 0xb8, ...Array.from({ length: 11 }, () => 0), 1];
  const both: Behaviour = (type) => (type === TYPE_A ? V4 : V6);
  const v4 = { address: '192.0.2.1', family: 4 };
  const v6 = { address: '2001:db8::1', family: 6 };

  it('finds both families, IPv4 first', async () => {
    const { resolve } = await resolverFor(both);
    assert.deepEqual(await resolve('push.example.org', false), [v4, v6]);
  });

  // RFC 8305 section 3. The name server has ten minutes here.
  for (const [family, kept] of [
    [TYPE_AAAA, v4],
    [TYPE_A, v6],
  ] as const) {
    it(`does not wait for a family whose questions are dropped (type ${family})`, async () => {
      const { resolve } = await resolverFor((type) => (type === family ? 'silence' : both(type)));
      assert.deepEqual(await resolve('push.example.org', false), [kept]);
    });
    it(`takes the other where there is none (type ${family})`, async () => {
      const { resolve } = await resolverFor((type) => (type === family ? 'none' : both(type)));
      assert.deepEqual(await resolve('push.example.org', false), [kept]);
    });
  }

  it('says so when there is no address at all', async () => {
    const { resolve } = await resolverFor(() => 'none');
    await assert.rejects(resolve('push.example.org', false), ResolveError);
  });

  it('asks the name servers of the moment when resolv.conf was corrected', async () => {
    const { resolve, resolvConf, at } = await resolverFor(both);
    const dead = await startNameServer(() => 'none');
    sockets.push(dead.socket);
    await writeFile(resolvConf, dead.at);
    await assert.rejects(resolve('push.example.org', false), ResolveError);
    await writeFile(resolvConf, at);
    assert.deepEqual(await resolve('push.example.org', false), [v4, v6]);
  });

  it('finds what /etc/hosts says, which comes first and may change', async () => {
    const lines = [
      '# comment',
      '192.0.2.7 Push.Example.org other # x',
      '2001:db8::7\tpush.example.org',
      'junk push.example.org',
    ];
    const { resolve, hostsFile } = await resolverFor(both, lines.join('\n'));
    const listed = [
      { address: '192.0.2.7', family: 4 },
      { address: '2001:db8::7', family: 6 },
    ];
    assert.deepEqual(await resolve('push.example.org', false), listed);
    assert.deepEqual(await resolve('other', false), listed.slice(0, 1));
    assert.deepEqual(await resolve('more.push.example.org', false), [v4, v6]);
    await writeFile(hostsFile, '');
    assert.deepEqual(await resolve('push.example.org', false), [v4, v6]);
  });

  it('does without the files', async () => {
    const resolve = createHostResolver(1_000, {
      ...{ hostsFile: join(directory, 'none'), resolvConf: join(directory, 'none') },
    });
    await assert.rejects(resolve('does-not-exist.invalid', false), ResolveError);
  });

  it("asks the system about the administrator's own names", async () => {
    const addresses = await createHostResolver(1_000)('localhost', true);
    assert.ok(addresses.some(({ address, family }) => address === '127.0.0.1' && family === 4));
    await assert.rejects(createHostResolver(1_000)('does-not-exist.invalid', true), ResolveError);
  });
});
