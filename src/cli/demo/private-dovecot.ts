import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UnavailableError } from '../../errors.ts';
import type { DovecotConfigInput } from './dovecot-config.ts';
import { type DovecotLayout, dovecotLayout } from './dovecot-layout.ts';
import { findFreePort } from './find-free-port.ts';
import { renderConfig23 } from './render-config-2.3.ts';
import { type CommandResult, runCommand } from './run-command.ts';

/** The package: `lua/` and `dovecot-conf/` stand in it, beside `src/` or `dist/`. */
const PACKAGE_ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export interface PrivateDovecotOptions {
  /** Who keeps annotations (the sidecar's `metadata.source`). Default: dict. */
  metadata?: 'dict' | 'doveadm' | 'none';
  /** Default: socket. */
  classify?: 'socket' | 'http' | 'none';
  /** Load lua/coi.lua. Default: yes. */
  events?: boolean;
  /** Tell of SETMETADATA. Default: with `metadata: 'doveadm'`. */
  notices?: boolean;
  /** Where the sidecar listens, or will. Default: a free port and a random token. */
  sidecar?: { url: string; token: string };
  /** Default: a directory of this instance. */
  spoolDir?: string;
  /** Only these may log in and get mail. Default: everyone. */
  users?: readonly string[];
  /** Default: `maildir:~/Maildir`. */
  mailLocation?: string;
  debug?: boolean;
  /** Configuration that comes last and so has the last word: faults, further settings. */
  extraConfig?: string;
}

export interface PrivateDovecot {
  readonly imap: { host: string; port: number };
  readonly lmtp: { host: string; port: number };
  readonly doveadm: { url: string; apiKey: string };
  /** Password of every user. */
  readonly password: string;
  /** What Dovecot was told about the sidecar; listen there if you did not say where. */
  readonly sidecar: { url: string; token: string };
  /** The unix sockets that the sidecar must listen on; their directories exist. */
  readonly sockets: { dict: string; classify: string };
  readonly spoolDir: string;
  readonly layout: DovecotLayout;
  /** Owner of the mail, and so of the processes that connect to the sockets. */
  readonly mailUid: number;
  readonly mailGid: number;
  readLog: () => string;
  /** Lines of the log that are errors, warnings, panics or fatal. */
  errors: () => string[];
  /** `doveadm -c <this configuration> …` */
  runDoveadm: (args: readonly string[], input?: string | Buffer) => Promise<CommandResult>;
  /** Makes Dovecot read its configuration again, with other text at its end. */
  reconfigure: (extraConfig: string) => Promise<void>;
  /** Kills every process and removes the directory. */
  stop: () => Promise<void>;
}

/**
 * Starts a stock Dovecot in a temporary directory on free ports of 127.0.0.1, configured by the
 * shipped snippets. As root its mail belongs to the system user "mail"; otherwise to whoever runs
 * this.
 *
 * @throws UnavailableError when Dovecot is missing or does not start, with its log.
 */
export async function startPrivateDovecot(
  options: PrivateDovecotOptions = {},
): Promise<PrivateDovecot> {
  const root = userInfo().uid === 0;
  const accounts = root ? await rootAccounts() : ownAccounts();
  const layout = dovecotLayout(await mkdtemp(join(tmpdir(), 'coi-dc-')));
  const sidecar = options.sidecar ?? {
    url: `http://127.0.0.1:${await findFreePort()}`,
    token: randomBytes(16).toString('hex'),
  };
  const input: DovecotConfigInput = {
    layout: options.spoolDir === undefined ? layout : { ...layout, spoolDir: options.spoolDir },
    snippets: chooseSnippets(options).map((name) =>
      join(PACKAGE_ROOT, 'dovecot-conf', '2.3', `95-coi-${name}.conf`),
    ),
    ports: {
      imap: await findFreePort(),
      lmtp: await findFreePort(),
      doveadm: await findFreePort(),
    },
    accounts,
    password: 'secret',
    users: options.users ?? null,
    apiKey: randomBytes(16).toString('hex'),
    sidecar,
    mailLocation: options.mailLocation ?? 'maildir:~/Maildir',
    debug: options.debug ?? false,
    extraConfig: options.extraConfig ?? '',
  };
  const readLog = (): string => {
    try {
      return readFileSync(layout.logFile, 'utf8');
    } catch {
      return '';
    }
  };

  await layOut(input, root);
  // Should this process die, Dovecot goes with it (setpriv is part of util-linux).
  const master = spawn(
    'setpriv',
    ['--pdeathsig', 'TERM', 'dovecot', '-F', '-c', layout.configFile],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true, // a process group of its own, so that stop() reaches all of it
    },
  );
  let complaint = '';
  master.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const stop = async (): Promise<void> => {
    await stopProcessGroup(master);
    await rm(layout.dir, { recursive: true, force: true });
  };
  try {
    await Promise.all(
      [input.ports.imap, input.ports.lmtp].map((port) => waitForPort(port, master)),
    );
  } catch (cause) {
    const log = readLog();
    await stop();
    throw new UnavailableError(`Dovecot did not start:\n${complaint}${log}`, { cause });
  }

  return {
    imap: { host: '127.0.0.1', port: input.ports.imap },
    lmtp: { host: '127.0.0.1', port: input.ports.lmtp },
    doveadm: { url: `http://127.0.0.1:${input.ports.doveadm}/doveadm/v1`, apiKey: input.apiKey },
    password: input.password,
    sidecar,
    sockets: { dict: layout.dictSocket, classify: join(layout.sieveSocketDir, 'coi-classify') },
    spoolDir: input.layout.spoolDir,
    layout,
    mailUid: accounts.mailUid,
    mailGid: accounts.mailGid,
    readLog,
    errors: () =>
      readLog()
        .split('\n')
        .filter((line) => /\b(Error|Warning|Panic|Fatal): /.test(line)),
    runDoveadm: (args, stdin) =>
      runCommand('doveadm', ['-c', layout.configFile, ...args], {
        ...(stdin === undefined ? {} : { input: stdin }),
      }),
    reconfigure: async (extraConfig) => {
      await writeFile(layout.configFile, renderConfig23({ ...input, extraConfig }));
      await runCommand('doveadm', ['-c', layout.configFile, 'reload']);
    },
    stop,
  };
}

type Accounts = DovecotConfigInput['accounts'];

async function rootAccounts(): Promise<Accounts> {
  const id = async (flag: string): Promise<number> =>
    Number((await runCommand('id', [flag, 'mail'])).stdout);
  return {
    internal: 'dovecot',
    internalGroup: 'dovecot',
    login: 'dovenull',
    mailUid: await id('-u'),
    mailGid: await id('-g'),
  };
}

function ownAccounts(): Accounts {
  const me = userInfo();
  // Names or numbers: Dovecot takes "#1000" nowhere, but "1000" for a user that has no name.
  return {
    internal: me.username,
    internalGroup: String(me.gid),
    login: me.username,
    mailUid: me.uid,
    mailGid: me.gid,
  };
}

function chooseSnippets(options: PrivateDovecotOptions): string[] {
  const metadata = options.metadata ?? 'dict';
  const classify = options.classify ?? 'socket';
  return [
    'doveadm-api',
    'capability',
    ...(options.events === false ? [] : ['events']),
    ...(classify === 'none' ? [] : [`classify-${classify}`]),
    ...(metadata === 'none' ? [] : [`metadata-${metadata}`]),
    ...((options.notices ?? metadata === 'doveadm') ? ['notices'] : []),
  ];
}

/** Makes the directories, copies in what an admin copies to /etc/dovecot/coi, compiles Sieve. */
async function layOut(input: DovecotConfigInput, root: boolean): Promise<void> {
  const { layout, accounts, sidecar } = input;
  await chmod(layout.dir, 0o711);
  const binDir = join(layout.coiDir, 'bin');
  for (const dir of [layout.mailDir, binDir, layout.sieveSocketDir, layout.spoolDir]) {
    await mkdir(dir, { recursive: true });
  }
  if (root) await chown(layout.mailDir, accounts.mailUid, accounts.mailGid);
  await chmod(layout.spoolDir, 0o1733);
  const copies = [
    ['lua/coi.lua', join(layout.coiDir, 'coi.lua')],
    ['dovecot-conf/sieve/coi.sieve', join(layout.coiDir, 'coi.sieve')],
    ['dovecot-conf/sieve-bin/coi-classify', join(binDir, 'coi-classify')],
  ] as const;
  for (const [from, to] of copies) await copyFile(join(PACKAGE_ROOT, from), to);
  await chmod(join(binDir, 'coi-classify'), 0o755);
  await writeFile(
    join(layout.coiDir, 'classify.conf'),
    `COI_SIDECAR_URL=${sidecar.url}\nCOI_SIDECAR_TOKEN=${sidecar.token}\n`,
  );
  const owner = `${accounts.mailUid}:${accounts.mailGid}`;
  await writeFile(
    join(layout.dir, 'users'),
    (input.users ?? [])
      .map((user) => `${user}:{PLAIN}${input.password}:${owner}::${layout.mailDir}/${user}::\n`)
      .join(''),
  );
  await writeFile(layout.configFile, renderConfig23(input));
  if (input.snippets.some((path) => path.includes('classify'))) {
    const script = join(layout.coiDir, 'coi.sieve');
    const sievec = await runCommand('sievec', ['-c', layout.configFile, script]);
    if (sievec.exitCode !== 0) {
      throw new UnavailableError(`sievec refused coi.sieve: ${sievec.stderr}`);
    }
  }
}

/** Until something listens on the port of 127.0.0.1; fails when the process ends first. */
async function waitForPort(port: number, owner: ChildProcess): Promise<void> {
  const end = Date.now() + 15_000;
  for (;;) {
    if (await canConnect(port)) return;
    if (owner.exitCode !== null || owner.pid === undefined) throw new Error('dovecot ended');
    if (Date.now() > end) throw new Error(`nothing listens on port ${port}`);
    await sleep(10);
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** SIGTERM for the master, then SIGKILL for whoever is left of its group: their files go anyway. */
async function stopProcessGroup(master: ChildProcess): Promise<void> {
  const { pid } = master;
  if (pid === undefined) return;
  const ended =
    master.exitCode !== null
      ? Promise.resolve()
      : new Promise<void>((resolve) => master.once('exit', () => resolve()));
  master.kill('SIGTERM');
  await Promise.race([ended, sleep(100)]);
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // nobody left
  }
  await ended;
}
