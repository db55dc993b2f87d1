import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UnavailableError } from '../../errors.ts';
import { type DovecotConfigInput, type DovecotRoads, snippetNames } from './dovecot-config.ts';
import { type DovecotLayout, dovecotLayout } from './dovecot-layout.ts';
import { type DovecotVersion, findDovecotRelease } from './dovecot-release.ts';
import { findFreePort } from './find-free-port.ts';
import { startProcessGroup, waitForPort } from './process-group.ts';
import { type CommandResult, runCommand } from './run-command.ts';
import { writeDovecotFiles } from './write-dovecot-files.ts';

/**
 * Roads: `metadata` is the sidecar's `metadata.source` (default: dict), `classify` defaults to
 * socket, `events` to lua, `notices` to whether `metadata` is doveadm.
 */
export interface PrivateDovecotOptions extends Partial<DovecotRoads> {
  /** Default: the one that this machine has. */
  version?: DovecotVersion;
  /** Where the sidecar listens, or will. Default: a free port and a random token. */
  sidecar?: { url: string; token: string };
  /** Default: a directory of this instance. */
  eventsDir?: string;
  /** Only these may log in and get mail. Default: everyone. */
  users?: readonly string[];
  /** Settings that a user has in sessions that they logged in to, and in no others. */
  loginSettings?: Readonly<Record<string, string>>;
  /** Default: maildir. */
  mailDriver?: string;
  debug?: boolean;
  /** Configuration that comes last and so has the last word: faults, further settings. */
  extraConfig?: string;
}

export interface PrivateDovecot {
  readonly version: DovecotVersion;
  readonly imap: { host: string; port: number };
  readonly lmtp: { host: string; port: number };
  readonly doveadm: { url: string; unixUrl: string; apiKey: string; socket: string };
  /** Password of every user. */
  readonly password: string;
  /** What Dovecot was told about the sidecar; listen there if you did not say where. */
  readonly sidecar: { url: string; token: string };
  /** The unix sockets that the sidecar must listen on; their directories exist. */
  readonly sockets: { dict: string; classify: string };
  readonly eventsDir: string;
  readonly layout: DovecotLayout;
  /** Owner of the mail, and so of the processes that connect to the sockets. */
  readonly mailUid: number;
  readonly mailGid: number;
  readLog: () => string;
  /** Lines of the log that are errors, warnings, panics or fatal. */
  errors: () => string[];
  /** `doveadm -c <this configuration> …` */
  runDoveadm: (args: readonly string[], input?: string | Buffer) => Promise<CommandResult>;
  /** `<program> -c <this configuration> …`, as {@link runDoveadm}. */
  runProgram: (
    file: string,
    args: readonly string[],
    input?: string | Buffer,
  ) => Promise<CommandResult>;
  /**
   * Makes Dovecot read its configuration again, with other text at its end, and waits for the login
   * processes of before to end (10 s at most).
   */
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
  const { metadata = 'dict' } = options;
  const release = await findDovecotRelease(options.version);
  if (release === null) {
    throw new UnavailableError(
      `there is no Dovecot ${options.version ?? '2.3 or 2.4'} on this machine`,
    );
  }
  const roads: DovecotRoads = {
    metadata,
    classify: options.classify ?? 'socket',
    events: options.events ?? 'lua',
    notices: options.notices ?? metadata === 'doveadm',
  };
  const accounts = await findAccounts();
  const layout = dovecotLayout(await mkdtemp(join(tmpdir(), 'coi-dc-')));
  const sidecar = options.sidecar ?? {
    url: `http://127.0.0.1:${await findFreePort()}`,
    token: randomBytes(16).toString('hex'),
  };
  const input: DovecotConfigInput = {
    layout: options.eventsDir === undefined ? layout : { ...layout, eventsDir: options.eventsDir },
    roads,
    snippets: snippetNames(roads).map((name) => join(layout.dir, `95-coi-${name}.conf`)),
    ports: {
      imap: await findFreePort(),
      lmtp: await findFreePort(),
      doveadm: await findFreePort(),
    },
    accounts,
    password: 'secret',
    users: options.users ?? null,
    loginSettings: options.loginSettings ?? {},
    apiKey: randomBytes(16).toString('hex'),
    sidecar,
    mailDriver: options.mailDriver ?? 'maildir',
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

  await writeDovecotFiles(input, release).catch(async (error: unknown) => {
    await rm(layout.dir, { recursive: true, force: true });
    throw error;
  });
  const group = startProcessGroup(
    ...release.commandLine('dovecot', ['-F', '-c', layout.configFile]),
    layout.dir,
  );
  const stop = async (): Promise<void> => {
    await group.stop();
    await rm(layout.dir, { recursive: true, force: true });
  };
  try {
    const { imap, lmtp, doveadm } = input.ports;
    await Promise.all([imap, lmtp, doveadm].map((port) => waitForPort(port, group)));
  } catch (cause) {
    const log = readLog();
    await stop();
    throw new UnavailableError(`Dovecot did not start:\n${group.complaint()}${log}`, { cause });
  }

  const runProgram: PrivateDovecot['runProgram'] = (program, programArgs, stdin) =>
    runCommand(
      ...release.commandLine(program, ['-c', layout.configFile, ...programArgs]),
      stdin === undefined ? {} : { input: stdin },
    );

  const loginProcesses = async (): Promise<number[]> => {
    const { stdout } = await runProgram('doveadm', ['process', 'status', 'imap-login']);
    return [...stdout.matchAll(/^imap-login\s+(\d+)/gm)].map(([, pid]) => Number(pid));
  };

  return {
    version: release.version,
    imap: { host: '127.0.0.1', port: input.ports.imap },
    lmtp: { host: '127.0.0.1', port: input.ports.lmtp },
    doveadm: {
      url: `http://127.0.0.1:${input.ports.doveadm}/doveadm/v1`,
      unixUrl: `unix:${layout.doveadmHttp}`,
      apiKey: input.apiKey,
      socket: layout.doveadmSocket,
    },
    password: input.password,
    sidecar,
    sockets: { dict: layout.dictSocket, classify: join(layout.sieveSocketDir, 'coi-classify') },
    eventsDir: input.layout.eventsDir,
    layout,
    mailUid: accounts.mailUid,
    mailGid: accounts.mailGid,
    readLog,
    errors: () =>
      readLog()
        .split('\n')
        .filter((line) => /\b(Error|Warning|Panic|Fatal): /.test(line)),
    runProgram,
    runDoveadm: (doveadmArgs, stdin) => runProgram('doveadm', doveadmArgs, stdin),
    reconfigure: async (extraConfig) => {
      await writeFile(layout.configFile, release.renderConfig({ ...input, extraConfig }));
      const former = await loginProcesses();
      await runProgram('doveadm', ['reload']);
      // A client that one of these takes yet is told "Server shutting down" at its LOGIN.
      for (let waits = 0; waits < 500 && former.some(isAlive); waits++) await sleep(20);
    },
    stop,
  };
}

type Accounts = DovecotConfigInput['accounts'];

/** Root: Dovecot's own users, and Debian's "mail" for the mail. Anyone else: themselves for all. */
async function findAccounts(): Promise<Accounts> {
  const id = async (...args: string[]): Promise<string> =>
    (await runCommand('id', args)).stdout.trim();
  const { username, uid, gid } = userInfo();
  if (uid === 0) {
    return {
      internal: 'dovecot',
      internalGroup: 'dovecot',
      login: 'dovenull',
      self: username,
      mailUid: Number(await id('-u', 'mail')),
      mailGid: Number(await id('-g', 'mail')),
    };
  }
  return {
    internal: username,
    internalGroup: await id('-gn'),
    login: username,
    self: username,
    mailUid: uid,
    mailGid: gid,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
