import { randomUUID } from 'node:crypto';
import { access, chmod, chown, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { PROBE_USER, probeSubject, type ProbeReport } from '../../../events/probes.ts';
import { runCommand } from '../../demo/run-command.ts';
import { bearer } from '../setup/ask-http.ts';
import type { Setup } from '../setup/setup.ts';
import { readComplaints } from './read-complaints.ts';
import { scratchSettings, type Override } from './scratch-settings.ts';
import { serveUserdb } from './serve-userdb.ts';

/** What became of a message to nobody. */
export interface NobodysDelivery {
  /** Whether Dovecot has stored it. */
  delivered: boolean;
  /** What Dovecot said of it, one after the other; empty when it found nothing wrong. */
  complaints: string;
  /** Whether Sieve took it for chat without having got an answer. */
  hasChatKeyword: boolean;
  /** What arrived at the service. */
  report: ProbeReport;
}

/**
 * Has the real Dovecot deliver a chat message, with its configuration and the rights of mail processes,
 * to a user that there is not: dovecot-lda is told who that is by a user database of ours, and where
 * their mail goes by `-o`. So nobody needs an account for it, and nothing remains.
 *
 * @returns undefined when it cannot be tried from here, after `skip` was told why
 * @see Dovecot src/lda/main.c
 */
export async function deliverToNobody(
  setup: Setup,
  overrides: readonly Override[],
  skip: (reason: string) => void,
): Promise<NobodysDelivery | undefined> {
  const settings = setup.dovecot.settings as DovecotSettings;
  const program = join(settings.server.libexecDir, 'dovecot-lda');
  const { identity, problem } = setup.mailUser;
  if (process.getuid?.() !== 0) skip('only root can have Dovecot deliver as a mail user');
  else if (identity === undefined) skip(`as whom Dovecot delivers: ${problem}`);
  else if (!(await isThere(program))) skip(`there is no ${program}`);
  else return deliver({ setup, settings, program, identity, overrides });
  return undefined;
}

interface Delivery {
  setup: Setup;
  settings: DovecotSettings;
  program: string;
  identity: NonNullable<Setup['mailUser']['identity']>;
  overrides: readonly Override[];
}

async function deliver(delivery: Delivery): Promise<NobodysDelivery> {
  const { setup, settings, program, identity } = delivery;
  const dir = await mkdtemp(join(tmpdir(), 'coi-sidecar-doctor-'));
  try {
    // The mail user has to get through to its home; the socket is for root alone.
    await chmod(dir, 0o711);
    const home = join(dir, 'home');
    await mkdir(home, { mode: 0o700 });
    await chown(home, identity.uid, identity.gid);
    await using userdb = await serveUserdb(join(dir, 'userdb'), PROBE_USER, {
      ...{ uid: String(identity.uid), gid: String(identity.gid), home },
      ...(setup.mailUser.groupsUser !== '' && { system_groups_user: setup.mailUser.groupsUser }),
    });
    const place = { userdb: userdb.path, mail: join(home, 'Maildir') };
    const all = [...scratchSettings(settings, place), ...delivery.overrides];
    const { dovecotConfig } = setup.options;
    const id = randomUUID();
    const ran = await runCommand(
      program,
      [
        ...(dovecotConfig === undefined ? [] : ['-c', dovecotConfig]),
        ...all.flatMap(([name, value]) => ['-o', `${name}=${value}`]),
        // A refusal is said here and sent to nobody.
        ...['-e', '-d', PROBE_USER, '-f', ''],
      ],
      { input: message(id) },
    );
    return {
      delivered: ran.exitCode === 0,
      complaints: readComplaints(ran.stderr),
      hasChatKeyword: await hasChatKeyword(home),
      report: await ask(setup, id),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Maildir keeps the names of its keywords in a file. */
async function hasChatKeyword(home: string): Promise<boolean> {
  for (const name of await readdir(home, { recursive: true })) {
    if (!name.endsWith('dovecot-keywords')) continue;
    if ((await readFile(join(home, name), 'utf8')).includes('$Chat')) return true;
  }
  return false;
}

async function ask({ ask: askHttp, origin, config }: Setup, id: string): Promise<ProbeReport> {
  const { text } = await askHttp(new URL(`/v1/probes/${id}`, origin), {
    authorization: bearer(config.http.token),
  });
  return JSON.parse(text) as ProbeReport;
}

const message = (id: string): string => `From: doctor@coi-sidecar.invalid
To: nobody@coi-sidecar.invalid
Subject: ${probeSubject(id)}
Message-ID: <chat$${id}@coi-sidecar.invalid>
Chat-Version: 1.0
Auto-Submitted: auto-generated

A message of "coi-sidecar doctor" to nobody.
`;
