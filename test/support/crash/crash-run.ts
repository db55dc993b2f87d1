import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../seeded-random.ts';
import { createCrashWorld, type CrashWorld, type CrashWorldOptions } from './crash-world.ts';
import { deliverUnderFire, type FireOptions, type SentMail } from './deliver-under-fire.ts';
import { findMail, type FoundMail } from './find-mail.ts';

export interface CrashRunOptions extends CrashWorldOptions, FireOptions {
  seed: number;
}

export interface CrashReport {
  deliveries: number;
  /** Times that Dovecot broke a delivery off, and it was delivered again. */
  brokenOff: number;
  kills: number;
  killsWhileStarting: number;
  /** Deliveries of which Dovecot's script kept the event, since nobody took it. */
  spooled: number;
  /** Other errors and warnings of Dovecot's. */
  complaints: string[];
  mail: FoundMail;
  pushesOwed: number;
  /** Owed and never arrived: user, subscription, Message-ID. */
  pushesMissing: string[];
  /**
   * Arrivals beyond the first of a push: how long before a kill the first came, in milliseconds. As long
   * as the push service takes to answer, nobody can know of it.
   */
  duplicates: number[];
  seconds: number;
  /** The whole conversation of a delivery, connection included. */
  lmtpMsecs: { median: number; p99: number; most: number };
}

/** How long everything may take to come to rest after the last start; a test has five minutes in all. */
const REST_MSECS = 150_000;

/** Kills the sidecar again and again while mail is delivered, and counts what became of it all. */
export async function runCrash(options: CrashRunOptions): Promise<CrashReport> {
  const world = await createCrashWorld(options);
  try {
    const started = performance.now();
    const { sent, killedAt, killsWhileStarting } = await deliverUnderFire(
      world,
      seededRandom(options.seed),
      options,
    );
    await comeToRest(world);
    const seconds = (performance.now() - started) / 1_000;
    const errors = world.dovecot.errors();
    return {
      kills: killedAt.length,
      killsWhileStarting,
      deliveries: sent.length,
      brokenOff: sent.reduce((sum, { tries }) => sum + tries - 1, 0),
      spooled: errors.filter((line) => line.endsWith(': they wait in the event log')).length,
      complaints: errors.filter((line) => !line.endsWith(': they wait in the event log')),
      mail: await findMail(world.dovecot, sent),
      ...(await countPushes(world, sent, killedAt)),
      seconds,
      lmtpMsecs: summarise(sent.map(({ elapsedMsecs }) => elapsedMsecs)),
    };
  } finally {
    await world.close();
  }
}

/** Until nothing waits or owed any more, twice in a row. */
async function comeToRest(world: CrashWorld): Promise<void> {
  const deadline = performance.now() + REST_MSECS;
  for (let quiet = 0; quiet < 2;) {
    await sleep(1_000);
    const spooled =
      (await world.metric('coi_events_pending')) +
      (await world.metric('coi_event_log_unread_octets'));
    const owed = await world.metric('coi_outbox_pushes');
    quiet = spooled + owed === 0 ? quiet + 1 : 0;
    if (performance.now() > deadline) {
      throw new Error(
        `${spooled} events or octets of them and ${owed} pushes are left\n${world.sidecar.log()}`,
      );
    }
  }
}

async function countPushes(
  world: CrashWorld,
  sent: readonly SentMail[],
  killedAt: readonly number[],
): Promise<Pick<CrashReport, 'pushesOwed' | 'pushesMissing' | 'duplicates'>> {
  const counts = { pushesOwed: 0, pushesMissing: [] as string[], duplicates: [] as number[] };
  const mailOf = Map.groupBy(sent, ({ user }) => user);
  for (const [user, agents] of world.agents) {
    for (const [index, agent] of agents.entries()) {
      const arrived = Map.groupBy(await agent.drain(), ({ payload }) => payload['msg-id']);
      for (const { id } of mailOf.get(user) ?? []) {
        counts.pushesOwed += 1;
        const [first, ...more] = arrived.get(id) ?? [];
        if (first === undefined) counts.pushesMissing.push(`${user} ${index} ${id}`);
        // Kills may follow each other closely: which one it was is told by the first arrival.
        const ages = killedAt.map((kill) => kill - (first?.at ?? 0));
        const age = ages.sort((one, other) => Math.abs(one) - Math.abs(other))[0] ?? NaN;
        counts.duplicates.push(...more.map(() => Math.round(age)));
      }
    }
  }
  return counts;
}

function summarise(values: readonly number[]): CrashReport['lmtpMsecs'] {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0);
  return { median: at(0.5), p99: at(0.99), most: Math.round(sorted.at(-1) ?? 0) };
}
