import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../src/clock.ts';
import { findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';
import type { Report } from '../../src/cli/doctor/report.ts';
import { runDoctor } from '../../src/cli/doctor/run-doctor.ts';
import type { DoctorOptions } from '../../src/cli/doctor/setup/setup.ts';
import { overlay, type Sections } from './config-in.ts';
import { startStage, stageConfig, type Stage, type StageOptions } from './start-stage.ts';

/** How one examination differs from what is right. */
export interface Examination extends Partial<DoctorOptions> {
  /** The doctor's configuration over the service's own, section by section. */
  config?: Sections;
  /** Further configuration of Dovecot, read by doveconf only: Dovecot itself goes on as it was. */
  dovecot?: string;
  /** What this host takes the time for. */
  now?: () => number;
  /** A directory that comes first when programs are looked for. */
  path?: string;
  /** Whether there is no Dovecot on this host: no program of its is found. */
  elsewhere?: boolean;
}

/** A right set-up, and a doctor who is shown it, or something that differs from it. */
export interface DoctorRig {
  readonly stage: Stage;
  readonly dir: string;
  /** How far the service's clock is off, in milliseconds. */
  setClock(offset: number): void;
  examine(examination?: Examination): Promise<Report>;
  /** The two files that an administrator would name. */
  writeFiles(examination?: Examination): Promise<{ config: string; dovecot: string }>;
  /** A directory with programs that stand in for those of the system. */
  shadow(programs: Record<string, string>): Promise<string>;
  close(): Promise<void>;
}

/** No faults, and so no warnings either. */
const RIGHT: Sections = {
  webpush: { vapid_subject: 'mailto:postmaster@example.org', allow_private_endpoints: [] },
};
/** Enough for what takes no time; what never comes is waited for as long. */
const PATIENCE_MSECS = 4_000;
const LONG_AGO = new Date('2020-01-01T00:00:00Z');

let files = 0;

export async function startDoctorRig(options: StageOptions = {}): Promise<DoctorRig> {
  let offset = 0;
  const clock: Clock = {
    now: () => Date.now() + offset,
    monotonic: () => performance.now(),
  };
  const stage = await startStage({
    ...options,
    clock,
    config: overlay(RIGHT, options.config ?? {}),
  });
  await using starting = new AsyncDisposableStack();
  starting.defer(() => stage.close());
  const { dovecot } = stage;
  const { dir, coiDir } = dovecot.layout;
  // Its owner's log is made when the service hears of one, as it does of every mailbox.
  const first = await stage.login(options.users?.[0] ?? stage.freshUser());
  await first.ok('CREATE first');
  // As the README asks: nobody but mail processes may read it.
  await chmod(join(coiDir, 'classify.conf'), 0o640);
  if (process.getuid?.() === 0) await chown(join(coiDir, 'classify.conf'), 0, dovecot.mailGid);
  // Nor connect to its sockets.
  for (const path of [dovecot.sockets.dict, dovecot.sockets.classify]) {
    if (process.getuid?.() !== 0 || !existsSync(path)) continue;
    await chown(path, 0, dovecot.mailGid);
    await chmod(path, 0o660);
  }
  const base = stageConfig(dovecot, join(dir, 'ca.pem'), {
    metadata: options.metadata ?? 'dict',
    ...(options.events && { events: options.events }),
    config: overlay(RIGHT, options.config ?? {}),
  });

  const writeFiles: DoctorRig['writeFiles'] = async ({ config = {}, dovecot: extra = '' } = {}) => {
    const names = {
      config: join(dir, `doctor-${++files}.yaml`),
      dovecot: join(dir, `doctor-${files}.conf`),
    };
    await writeFile(names.config, JSON.stringify(overlay(base, config)), { mode: 0o600 });
    await utimes(names.config, LONG_AGO, LONG_AGO);
    const text = await readFile(dovecot.layout.configFile, 'utf8');
    await writeFile(names.dovecot, `${text}\nlibexec_dir = ${libexec}\n${extra}\n`);
    return names;
  };

  const shadow: DoctorRig['shadow'] = async (programs) => {
    const at = join(dir, `bin-${++files}`);
    await mkdir(at);
    for (const [name, text] of Object.entries(programs)) {
      await writeFile(join(at, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    }
    return at;
  };
  const release = await findDovecotRelease(dovecot.version);
  const run = (program: string): string => {
    const [file = '', args = []] = release?.commandLine(program, []) ?? [];
    const quoted = [file, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    // Whoever is not root was started by setpriv, and so where the program is.
    const there = `[ "$(id -u)" = 0 ] || exec ${program} "$@"`;
    return `PATH=/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n${there}\nexec ${quoted} "$@"`;
  };
  const libexec = await shadow({
    'dovecot-lda': run('/usr/lib/dovecot/dovecot-lda'),
    imap: run('/usr/lib/dovecot/imap'),
  });
  // Where the version under test is not the one that is installed.
  const programs = await shadow({
    doveconf: run('doveconf'),
    doveadm: run('doveadm'),
    setpriv: run('setpriv'),
    // Whatever MTA this machine has.
    postconf: 'exit 1',
    exim4: 'exit 1',
  });

  // What the service needs, which runs in this process.
  const noDovecot = await shadow({ setfacl: 'exec /usr/bin/setfacl "$@"' });

  const owned = starting.move();
  return {
    ...{ stage, dir, writeFiles, shadow },
    setClock: (msecs) => {
      offset = msecs;
    },
    examine: async (examination = {}) => {
      const named = await writeFiles(examination);
      const { now, path } = examination;
      const before = process.env['PATH'];
      process.env['PATH'] =
        examination.elsewhere === true
          ? noDovecot
          : [path, programs, before].filter(Boolean).join(':');
      try {
        return await runDoctor(
          {
            configFile: named.config,
            dovecotConfig: named.dovecot,
            users: examination.users ?? [],
            reach: examination.reach ?? [],
            only: examination.only ?? [],
            password: examination.password,
            lmtp: examination.lmtp,
            imap: examination.imap,
            patienceMsecs: examination.patienceMsecs ?? PATIENCE_MSECS,
          },
          now,
        );
      } finally {
        process.env['PATH'] = before;
      }
    },
    close: () => owned.disposeAsync(),
  };
}

/** `<check>.<fault>` of everything that was found. */
export const faultsOf = ({ checks }: Report): string[] =>
  checks.flatMap(({ findings }) => findings.map(({ fault }) => fault));
