import { randomUUID } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { PROBE_USER, probeSubject, type ProbeReport } from '../../../events/probes.ts';
import { runCommand } from '../../demo/run-command.ts';
import type { Identity } from '../act-as.ts';
import { startedAs, type DeliveryAgent } from '../delivery.ts';
import { bearer } from '../setup/ask-http.ts';
import type { Setup } from '../setup/setup.ts';
import { openNobody } from './open-nobody.ts';
import { readComplaints } from './read-complaints.ts';
import type { Override } from './scratch-settings.ts';

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

export interface NobodysMessage {
  /** Whose plugins and drivers are in `overrides`. */
  agent: DeliveryAgent;
  overrides: readonly Override[];
  /** What was tried before, and then this as well. */
  tried: Set<string>;
}

/**
 * Has the real Dovecot deliver a chat message, with its configuration and the rights of mail processes,
 * to a user that there is not: dovecot-lda is told who that is by a user database of ours, and where
 * their mail goes by `-o`. So nobody needs an account for it, and nothing remains. Where the MTA starts the
 * agent as somebody else than root, so is it here, with the one group that it has then.
 *
 * @returns undefined when it cannot be tried from here, after `skip` was told why; and for an agent that does
 *   what another did before
 * @see Dovecot src/lda/main.c
 */
export async function deliverToNobody(
  setup: Setup,
  { agent, overrides, tried }: NobodysMessage,
  skip: (reason: string) => void,
): Promise<NobodysDelivery | undefined> {
  const starter = await startedAs(agent, setup.mailUser);
  const same = JSON.stringify([overrides, starter]);
  if (tried.has(same)) return undefined;
  tried.add(same);
  const settings = setup.dovecot.settings as DovecotSettings;
  const program = join(settings.server.libexecDir, 'dovecot-lda');
  const { identity, problem } = setup.mailUser;
  if (process.getuid?.() !== 0) skip('only root can have Dovecot deliver as a mail user');
  else if (identity === undefined) skip(`as whom Dovecot delivers: ${problem}`);
  else if (!(await isThere(program))) skip(`there is no ${program}`);
  else if ((await readReport(setup, randomUUID())) === undefined) {
    skip('the service says nothing of such deliveries: see "service" and "tokens"');
  } else {
    return deliver({ setup, settings, program, identity: starter ?? identity, starter, overrides });
  }
  return undefined;
}

interface Delivery {
  setup: Setup;
  settings: DovecotSettings;
  program: string;
  /** Whose mail it is. */
  identity: Identity;
  /** Whom the MTA starts it as; undefined: root. */
  starter: Identity | undefined;
  overrides: readonly Override[];
}

async function deliver({ setup, settings, program, identity, starter, overrides }: Delivery) {
  await using nobody = await openNobody(setup, settings, identity, starter);
  const id = randomUUID();
  const ran = await runCommand(
    ...asStarter(starter, program, [
      ...nobody.options(overrides),
      // A refusal is said here and sent to nobody.
      ...['-e', '-d', PROBE_USER, '-f', ''],
    ]),
    { input: message(id) },
  );
  return {
    delivered: ran.exitCode === 0,
    complaints: readComplaints(ran.stderr),
    hasChatKeyword: await nobody.home.hasKeyword('$Chat'),
    report: (await readReport(setup, id)) ?? NOTHING,
  };
}

/** A command line for root, or one that becomes somebody else first. */
export const asStarter = (
  starter: Identity | undefined,
  program: string,
  args: readonly string[],
): [file: string, args: string[]] => {
  if (starter === undefined) return [program, [...args]];
  const { uid, gid } = starter;
  const become = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
  return ['setpriv', [...become, program, ...args]];
};

export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const NOTHING: ProbeReport = { classified: false, reported: false };

/** @returns undefined when the service is another one, or does not take our token */
async function readReport(
  { ask, origin, config }: Setup,
  id: string,
): Promise<ProbeReport | undefined> {
  const { status, text } = await ask(new URL(`/v1/probes/${id}`, origin), {
    authorization: bearer(config.http.token),
  });
  return status === 200 ? (JSON.parse(text) as ProbeReport) : undefined;
}

const message = (id: string): string => `From: doctor@coi-sidecar.invalid
To: nobody@coi-sidecar.invalid
Subject: ${probeSubject(id)}
Message-ID: <chat$${id}@coi-sidecar.invalid>
Chat-Version: 1.0
Auto-Submitted: auto-generated

A message of "coi-sidecar doctor" to nobody.
`;
