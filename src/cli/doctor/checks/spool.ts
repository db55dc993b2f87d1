import { randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { TEMPORARY_PREFIX } from '../../../events/spool-files.ts';
import { actAs, canActAs } from '../act-as.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { runsCoi } from '../push-driver.ts';
import { deliveryProtocol } from '../delivery.ts';
import { findBarrier } from '../find-barrier.ts';
import type { Setup } from '../setup/setup.ts';
import { tryAsMailUser } from '../try-as-mail-user.ts';

/** The service looks every few seconds, and gives a user's next file a minute at most. */
const STALE_MSECS = 300_000;

export const spool = defineCheck({
  name: 'spool',
  part: 'events',
  title: 'Events can wait in the spool while the service is away',
  needs: [],
  faults: {
    unset: {
      severity: 'warning',
      what: 'coi_sidecar_spool_dir is not set: while the service is away, events are lost.',
      remedy: 'Set it to {dir} (spool.dir) in 95-coi-events.conf, and reload Dovecot.',
    },
    differs: {
      severity: 'error',
      what: 'coi_sidecar_spool_dir is {theirs}, but spool.dir is {dir}: nobody takes in what waits.',
      remedy: 'Set both to the same directory, and reload Dovecot or restart the service.',
    },
    missing: {
      severity: 'error',
      what: '{dir} is not there.',
      remedy:
        'install -d -o coi-sidecar -g coi-sidecar -m 1733 {dir}, and its ACL (95-coi-events.conf).',
    },
    unwritable: {
      severity: 'error',
      what: '{who} cannot write to {dir}: {barrier}.',
      remedy: 'chmod 1733 it, or let only that user in: setfacl -m u:{uid}:wx {dir}.',
    },
    unreadable: {
      severity: 'error',
      what: 'the service (uid {uid}) cannot read what the mail user leaves in {dir} ({code}).',
      remedy: 'setfacl -d -m u::rw,u:{uid}:rw,g::-,o::- {dir} (package acl).',
    },
    waiting: {
      severity: 'warning',
      what: '{count} events have waited in {dir} for more than five minutes.',
      remedy: 'The log of the service says what keeps them ("could not be handled yet").',
    },
    rejected: {
      severity: 'warning',
      what: '{count} files in {dir}/rejected cannot be read, or were refused by Dovecot for a day.',
      remedy: 'Look at them, report them, and remove them.',
    },
  },
  run: async (setup, report) => {
    const { dir } = setup.config.spool;
    if (!compare(setup, dir, report)) return;
    const found = await stat(dir).catch(() => undefined);
    if (found?.isDirectory() !== true) {
      report.fault('missing', { dir });
      return;
    }
    // Dovecot's "ox" driver leaves nothing there, the service what it cannot do at once.
    if (setup.config.events.driver === 'lua') await tryIt(dir, setup, report);
    else report.note(dir);
    await count(dir, setup, report);
  },
});

type Report = Reporter<keyof typeof spool.faults>;

/** @returns whether Dovecot and the service mean the same directory, as far as that can be told */
function compare({ dovecot }: Setup, dir: string, report: Report): boolean {
  const { settings } = dovecot;
  const lua = settings?.protocols[deliveryProtocol(settings)].pushDrivers.find(runsCoi);
  if (lua === undefined) return true;
  const theirs = lua.settings.spoolDir ?? '';
  if (theirs === '') report.fault('unset', { dir });
  else if (normalize(`${theirs}/`) !== normalize(`${dir}/`)) {
    report.fault('differs', { theirs, dir });
    return false;
  }
  return true;
}

/** Leaves a file as the mail user, and takes it in as the service. The name is one that it overlooks. */
async function tryIt(dir: string, setup: Setup, report: Report): Promise<void> {
  const path = join(dir, `${TEMPORARY_PREFIX}doctor-${randomUUID()}`);
  try {
    const left = await tryAsMailUser(setup, { do: 'write', path }, report.skip);
    const { identity } = setup.mailUser;
    if (left?.outcome.done === false && identity !== undefined) {
      const barrier = await findBarrier(dir, identity);
      report.fault('unwritable', { who: left.who, dir, barrier, uid: identity.uid });
    }
    const { serviceUser } = setup;
    if (left?.outcome.done !== true || serviceUser === undefined || !canActAs(serviceUser)) return;
    const [read, removed] = await actAs(serviceUser, [
      { do: 'read', path },
      { do: 'unlink', path },
    ]);
    const failed = [read, removed].find((outcome) => outcome?.done === false);
    if (failed?.done === false) {
      report.fault('unreadable', { uid: serviceUser.uid, dir, code: failed.code });
    } else report.note(dir);
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

async function count(dir: string, { now }: Setup, report: Report): Promise<void> {
  const names = await readdir(dir).catch(() => undefined);
  if (names === undefined) {
    report.skip(`what waits in ${dir} cannot be seen from here`);
    return;
  }
  const ages = await Promise.all(
    names
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .map((name) =>
        stat(join(dir, name)).then(
          ({ mtimeMs }) => now() - mtimeMs,
          () => 0,
        ),
      ),
  );
  const waiting = ages.filter((age) => age > STALE_MSECS).length;
  if (waiting > 0) report.fault('waiting', { count: waiting, dir });
  const rejected = await readdir(join(dir, 'rejected')).catch(() => []);
  if (rejected.length > 0) report.fault('rejected', { count: rejected.length, dir });
}
