/**
 * Annotations over IMAP: our dict against Dovecot's own `file:` dict and its dict server over SQLite.
 *
 *   node test/bench/dict.ts [--quick]        (Debian: dovecot-sqlite as well)
 *
 * The same commands on the same mailboxes, in interleaved rounds; one IMAP session a user.
 */
import { join } from 'node:path';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { ImapClient } from '../support/imap-client.ts';
import { spawnSidecar } from '../support/spawn-sidecar.ts';
import { atLeast, atMost, quantile, runAlone, type Bench, type BenchRow } from './bench.ts';

interface Candidate {
  name: string;
  clients: ImapClient[];
  close: () => Promise<void>;
}

const SESSIONS = 8;
const GET = 'GETMETADATA "INBOX" (/private/comment)';

export const benchDict: Bench = async ({ quick }) => {
  const rounds = quick ? 3 : 7;
  const commands = quick ? 150 : 1_000;
  const candidates = [await fileDict(), await sqliteDict(), await ourDict()];
  try {
    for (const candidate of candidates) await exercise(candidate, commands, writeCommand);
    const rows: BenchRow[] = [];
    for (const [what, command] of [
      ['lookup', () => GET],
      ['commit', writeCommand],
    ] as const) {
      const samples = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
      const rates = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const candidate of candidates) {
          const started = performance.now();
          const latencies = await exercise(candidate, commands, command);
          rates
            .get(candidate.name)
            ?.push((latencies.length / (performance.now() - started)) * 1_000);
          samples.get(candidate.name)?.push(...latencies);
        }
      }
      rows.push(...summarise(what, rates, samples));
    }
    return rows;
  } finally {
    for (const candidate of candidates) await candidate.close();
  }
};

function summarise(
  what: string,
  rates: ReadonlyMap<string, number[]>,
  samples: ReadonlyMap<string, number[]>,
): BenchRow[] {
  const rate = (name: string): number => quantile(rates.get(name) ?? [], 0.5);
  const p99 = (name: string): number => quantile(samples.get(name) ?? [], 0.99);
  const base = 'file:';
  return [...rates.keys()].flatMap((name): BenchRow[] => [
    {
      name: `${what}s, ${name}`,
      value: rate(name),
      unit: '/s',
      ...(name !== base && { ratio: rate(name) / rate(base) }),
      ...(name === OURS && what === 'lookup' && atLeast(rate(name) / rate(base), 1)),
    },
    {
      name: `${what} p99, ${name}`,
      value: p99(name),
      unit: 'ms',
      ...(name !== base && { ratio: p99(name) / p99(base) }),
      ...(name === OURS && what === 'commit' && atMost(p99(name) / p99(base), 1)),
    },
  ]);
}

const OURS = 'coi-sidecar';

let serial = 0;
const writeCommand = (): string => `SETMETADATA "INBOX" (/private/comment "value ${serial++}")`;

/** All sessions at the same time; latencies of all commands in milliseconds. */
async function exercise(
  { clients }: Candidate,
  commands: number,
  command: () => string,
): Promise<number[]> {
  const latencies: number[] = [];
  await Promise.all(
    clients.map(async (client) => {
      for (let index = 0; index < commands / clients.length; index++) {
        const started = performance.now();
        await client.ok(command());
        latencies.push(performance.now() - started);
      }
    }),
  );
  return latencies;
}

async function logIn(dovecot: PrivateDovecot): Promise<ImapClient[]> {
  return Promise.all(
    Array.from({ length: SESSIONS }, (_, index) =>
      ImapClient.open(dovecot.imap, { user: `user${index}`, password: dovecot.password }),
    ),
  );
}

const withoutSidecar = {
  version: '2.3',
  classify: 'none',
  events: 'none',
  notices: false,
} as const;

async function fileDict(): Promise<Candidate> {
  const dovecot = await startPrivateDovecot({ ...withoutSidecar, metadata: 'doveadm' });
  const clients = await logIn(dovecot);
  return { name: 'file:', clients, close: closer(clients, dovecot) };
}

/** Dovecot's dict server with an SQLite file, as its documentation sets it up. */
async function sqliteDict(): Promise<Candidate> {
  const dovecot = await startPrivateDovecot({ ...withoutSidecar, metadata: 'doveadm' });
  const { dir } = dovecot.layout;
  const { writeFile, chmod } = await import('node:fs/promises');
  const database = join(dir, 'dict.db');
  const made = await runCommand('sqlite3', [
    database,
    'PRAGMA journal_mode=WAL; CREATE TABLE attributes (username text, key text, value text, PRIMARY KEY (username, key));',
  ]);
  if (made.exitCode !== 0)
    throw new Error(`sqlite3: ${made.stderr}; install dovecot-sqlite and sqlite3`);
  await chmod(database, 0o666);
  await chmod(dir, 0o777);
  const conf = join(dir, 'dict-sqlite.conf.ext');
  await writeFile(
    conf,
    `connect = ${database}
map {
  pattern = priv/$key
  table = attributes
  username_field = username
  value_field = value
  fields {
    key = $key
  }
}
`,
    { mode: 0o644 },
  );
  await dovecot.reconfigure(`
dict {
  attributes = sqlite:${conf}
}
service dict {
  unix_listener dict {
    mode = 0666
  }
}
mail_attribute_dict = proxy:dict:attributes
`);
  const clients = await logIn(dovecot);
  return { name: 'dict server, SQLite', clients, close: closer(clients, dovecot) };
}

async function ourDict(): Promise<Candidate> {
  const dovecot = await startPrivateDovecot({ ...withoutSidecar, metadata: 'dict' });
  const { dir } = dovecot.layout;
  const sidecar = await spawnSidecar(dir, {
    http: { listen: new URL(dovecot.sidecar.url).host, token: dovecot.sidecar.token },
    dict: { socket: dovecot.sockets.dict, mode: '0666' },
    sieve: { socket: dovecot.sockets.classify, mode: '0666' },
    store: { url: `sqlite:${join(dir, 'state.db')}` },
    outbox: { path: join(dir, 'outbox.db') },
    doveadm: { url: dovecot.doveadm.url, api_key: dovecot.doveadm.apiKey },
    events: { dir: dovecot.eventsDir },
    spool: { dir: dovecot.layout.oldSpoolDir },
  });
  const clients = await logIn(dovecot);
  const close = closer(clients, dovecot);
  return {
    name: OURS,
    clients,
    close: async () => {
      await sidecar.stop();
      await close();
    },
  };
}

const closer = (clients: readonly ImapClient[], dovecot: PrivateDovecot) => async () => {
  for (const client of clients) await client.close();
  await dovecot.stop();
};

await runAlone(import.meta, 'Annotations over IMAP', benchDict);
