import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { PushDriver } from '../../../dovecot/settings/dovecot-settings.ts';
import type { ReadinessReport } from '../../../readiness.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { agentsOf } from '../delivery.ts';
import { runsCoi } from '../push-driver.ts';
import type { Setup } from '../setup/setup.ts';
import { tryAsMailUser } from '../try-as-mail-user.ts';

/** The service looks every few seconds, and gives a user's next event a minute at most. */
const STALE_SECONDS = 300;
/** Bits of a mode: somebody else may write. With an ACL the group's stand for the most that anybody has. */
const WRITABLE = 0o022;
const STICKY = 0o1000;

export const eventLog = defineCheck({
  name: 'event-log',
  part: 'events',
  title: 'Events can wait in the event log while the service is away, and nobody can interfere',
  needs: ['configuration'],
  faults: {
    unset: {
      severity: 'warning',
      what: 'coi_sidecar_events_dir is not set: while the service is away, events are lost.',
      remedy: 'Set it to {dir} (events.dir) as 95-coi-events.conf does, and reload Dovecot.',
    },
    differs: {
      severity: 'error',
      what: 'coi_sidecar_events_dir is {theirs}, but events.dir is {dir}: nobody takes in what waits.',
      remedy: 'Set both to the same directory, and reload Dovecot or restart the service.',
    },
    missing: {
      severity: 'error',
      what: '{dir} is not there.',
      remedy:
        'install -d -o coi-sidecar -g coi-mail -m 0710 {dir} (the package does), and restart the service.',
    },
    open: {
      severity: 'error',
      what: '{dir} ({mode}) lets others than the service put files there: any local user who may can stop mail, with a FIFO in the place of a log.',
      remedy: 'chmod go-w {dir}, and remove what does not belong there.',
    },
    'open-spool': {
      severity: 'error',
      what: '{script} is from before the event log and opens what it finds in {dir} ({mode}), an open directory: any local user who may write there can stop mail, with a FIFO.',
      remedy:
        'Copy the scripts of lua/ and 95-coi-events.conf again, and reload Dovecot; then close it: chmod 0700 {dir}.',
    },
    'spool-left': {
      severity: 'warning',
      what: '{dir}, which versions before the event log used, is still open ({mode}): whoever may write there can report events of everybody.',
      remedy: 'rmdir {dir}; while something waits in it: chmod 0700 {dir}.',
    },
    foreign: {
      severity: 'error',
      what: '{dir} belongs to uid {owner}, but the service runs as uid {uid}: it cannot make logs there.',
      remedy: 'chown {uid} {dir}, and restart the service.',
    },
    'not-made': {
      severity: 'warning',
      what: '{dir} has no log for {who} yet: until then, events are lost while the service is away.',
      remedy:
        'The service makes it with the first event that it hears of: see events-delivery, or deliver a message.',
    },
    'no-acl': {
      severity: 'error',
      what: 'the service cannot let mail processes at their log: {problem}.',
      remedy:
        'Install the package acl, and keep {dir} on a local file system that has ACLs (ext4, XFS, Btrfs, tmpfs).',
    },
    unwritable: {
      severity: 'error',
      what: '{who} cannot write to {file}: {barrier}.',
      remedy:
        'Mail processes need the group of {dir} (mail_access_groups = coi-mail); a restart of the service corrects what is below it.',
    },
    'marks-unreadable': {
      severity: 'warning',
      what: '{who} cannot read {file}: every mail of everybody is reported, which costs time.',
      remedy: 'Mail processes need the group of {dir} (mail_access_groups = coi-mail).',
    },
    waiting: {
      severity: 'warning',
      what: 'an event has waited for {minutes} minutes.',
      remedy: 'The log of the service says what keeps it ("could not be handled yet").',
    },
    rejected: {
      severity: 'warning',
      what: '{count} files in {dir} cannot be read, or were refused by Dovecot for a day.',
      remedy: 'Look at them, report them, and remove them.',
    },
  },
  run: async (setup, report) => {
    const { dir } = setup.config.events;
    await examineOldSpool(setup, report);
    if (!compare(setup, dir, report)) return;
    const found = await stat(dir).catch(() => undefined);
    if (found?.isDirectory() !== true) {
      report.fault('missing', { dir });
      return;
    }
    const { serviceUser } = setup;
    if (serviceUser !== undefined && found.uid !== serviceUser.uid) {
      report.fault('foreign', { dir, owner: found.uid, uid: serviceUser.uid });
      return;
    }
    await lookForOpenDirectories(dir, report);
    // Dovecot's "ox" driver leaves nothing there.
    if (setup.config.events.driver === 'ox') report.note(dir);
    else await tryIt(dir, setup, report);
    await askTheService(setup, report);
  },
});

type Report = Reporter<keyof typeof eventLog.faults>;

const luaDrivers = (setup: Setup): PushDriver[] =>
  agentsOf(setup)
    .flatMap(({ protocol }) => setup.dovecot.settings?.protocols[protocol].pushDrivers ?? [])
    .filter(runsCoi);

/** @returns whether Dovecot and the service mean the same directory, as far as that can be told */
function compare(setup: Setup, dir: string, report: Report): boolean {
  let isSame = true;
  for (const { settings } of luaDrivers(setup)) {
    const theirs = settings.eventsDir ?? '';
    if (theirs === '') report.fault('unset', { dir });
    else if (resolve(theirs) !== resolve(dir)) {
      report.fault('differs', { theirs, dir });
      isSame = false;
    }
  }
  return isSame;
}

/** Whoever may write to a directory, or to one around it, can put something else in the place of a log. */
async function lookForOpenDirectories(dir: string, report: Report): Promise<void> {
  const inside = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const below = inside
    .filter((entry) => entry.isDirectory() && /^\d+$/.test(entry.name))
    .map(({ name }) => join(dir, name));
  for (const one of [dir, ...below]) {
    const { mode } = await stat(one);
    if ((mode & WRITABLE) !== 0) report.fault('open', { dir: one, mode: octal(mode) });
  }
  for (let around = dirname(dir); ; around = dirname(around)) {
    const { mode } = await stat(around);
    const isOpen = (mode & WRITABLE) !== 0 && (mode & STICKY) === 0;
    if (isOpen) report.fault('open', { dir: around, mode: octal(mode) });
    if (around === dirname(around)) return;
  }
}

/** What a version before the event log left: an open directory is a danger while its scripts run. */
async function examineOldSpool(setup: Setup, report: Report): Promise<void> {
  const { dir } = setup.config.spool;
  const script = luaDrivers(setup)[0]?.file ?? '';
  const isOld = await readFile(script, 'utf8').then(
    (text) => text.includes('coi_sidecar_spool_dir'),
    () => false,
  );
  const { mode } = await stat(dir).catch(() => ({ mode: 0 }));
  if ((mode & WRITABLE) !== 0) {
    report.fault(isOld ? 'open-spool' : 'spool-left', { script, dir, mode: octal(mode) });
  }
  const rejected = await readdir(join(dir, 'rejected')).catch(() => []);
  if (rejected.length > 0) {
    report.fault('rejected', { count: rejected.length, dir: join(dir, 'rejected') });
  }
}

/** Leaves an empty line as the mail user, which the service overlooks. */
async function tryIt(dir: string, setup: Setup, report: Report): Promise<void> {
  const { identity, guessed } = setup.mailUser;
  const uid = identity?.uid ?? 0;
  const file = join(dir, String(uid), 'log');
  if (identity !== undefined && !guessed) {
    const made = await stat(file).catch((error: unknown) => error as NodeJS.ErrnoException);
    if (made instanceof Error) {
      if (made.code !== 'ENOENT') report.skip(`${file} cannot be seen from here`);
      else if (isPicked(setup)) await tryDirectory(dir, file, setup, report);
      else report.fault('not-made', { dir, who: `the mail user (uid ${uid})` });
      return;
    }
  }
  const problem = await readAclProblem(setup);
  if (problem !== undefined) {
    report.fault('no-acl', { problem, dir });
    return;
  }
  const tried = await tryAsMailUser(setup, { do: 'append', path: file }, report.skip);
  if (tried?.outcome.done === false) {
    report.fault('unwritable', { who: tried.who, file, barrier: tried.barrier, dir });
  }
  if (tried?.outcome.done !== true) return;
  report.note(file);
  const marks = join(dir, 'marks');
  if ((await stat(marks).catch(() => undefined)) === undefined) return;
  const read = await tryAsMailUser(setup, { do: 'read', path: marks }, report.skip);
  if (read?.outcome.done === false) {
    report.fault('marks-unreadable', { who: read.who, file: marks, dir });
  }
}

/** Whether it is just the first user that Dovecot lists, who may never have had mail. */
const isPicked = ({ mailUser: { name }, options }: Setup): boolean =>
  name !== undefined && !options.users.includes(name);

/** What can be tried for a user of whom no event has come. */
async function tryDirectory(
  dir: string,
  file: string,
  setup: Setup,
  report: Report,
): Promise<void> {
  const tried = await tryAsMailUser(setup, { do: 'pass', path: dir }, report.skip);
  if (tried?.outcome.done === false) {
    report.fault('unwritable', { who: tried.who, file, barrier: tried.barrier, dir });
  } else {
    report.note(dir);
    report.offer(`${setup.mailUser.name ?? ''} has no log yet; name a user with mail: --user`);
  }
}

/** What the service met when it set access control lists. */
async function readAclProblem({ service, ask, origin }: Setup): Promise<string | undefined> {
  if (service === undefined) return undefined;
  const { text } = await ask(new URL('/readyz', origin));
  const { checks } = JSON.parse(text) as ReadinessReport;
  return /setfacl .*/s
    .exec(checks['events'] ?? '')?.[0]
    .trim()
    .replace(/\.$/, '');
}

async function askTheService({ service, ask, origin }: Setup, report: Report): Promise<void> {
  if (service === undefined) {
    report.skip('how long events have waited: the service is not there to tell');
    return;
  }
  const { text } = await ask(new URL('/metrics', origin));
  const seconds = Number(/^coi_event_log_oldest_seconds (\S+)$/m.exec(text)?.[1] ?? 0);
  if (seconds > STALE_SECONDS) report.fault('waiting', { minutes: Math.floor(seconds / 60) });
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');
