import { buildAdmin } from './app/build-admin.ts';
import { buildDomain, type Domain } from './app/build-domain.ts';
import { buildDoors } from './app/build-doors.ts';
import { buildFlows, type Flows } from './app/build-flows.ts';
import { buildGround, type Ground } from './app/build-ground.ts';
import { buildHealth } from './app/build-health.ts';
import { buildStatus } from './app/build-status.ts';
import { reload } from './app/reload.ts';
import { systemClock, systemSleep, type Clock, type Sleep } from './clock.ts';
import type { Config } from './config/schema.ts';
import { UnavailableError } from './errors.ts';
import type { Logger } from './logging.ts';
import { checkReadiness, type ReadinessCheck, type ReadinessReport } from './readiness.ts';
import type { ProxyState } from './webpush/client/push-client.ts';

/** The service, put together: doors over flows over domain over ground. */
export interface App {
  readonly ground: Ground;
  readonly domain: Domain;
  readonly flows: Flows;
  /** Where the HTTP service listens, once started. */
  readonly url: string;
  start(): Promise<void>;
  /** Takes nothing more in, finishes what was accepted, closes everything. */
  stop(): Promise<void>;
  readiness(): Promise<ReadinessReport>;
  /** Takes over what may change while the service runs; see {@link reload}. */
  reload(config: Config): Promise<void>;
}

export interface AppOptions {
  log: Logger;
  clock?: Clock;
  sleep?: Sleep;
}

/** How often subscriptions that were never validated are looked for. */
const SWEEP_MSECS = 30_000;
/** How long a stop waits for open connections, and for push requests under way. */
const STOP_GRACE_MSECS = 5_000;
/** It waits longer for push requests that may take longer, but `serve` ends the process after 30 s. */
const LONGEST_GRACE_MSECS = 15_000;
/** What is done with the answer of a push service. */
const AFTER_ANSWER_MSECS = 1_000;

/**
 * Opens the stores and wires everything; listens on nothing until {@link App.start}.
 *
 * @throws UnavailableError a store cannot be opened
 * @throws InvalidInputError an option is refused by the part that it is for
 */
export async function createApp(
  config: Config,
  { log, clock = systemClock, sleep = systemSleep }: AppOptions,
): Promise<App> {
  const ground = await buildGround(config, log, clock, sleep);
  const domain = await buildDomain(ground).catch(async (error: unknown) => {
    await ground.close();
    throw error;
  });
  const flows = buildFlows(ground, domain);
  const { clockWatch, doveadm, doveadmSocket } = ground;
  const parts: ReadinessCheck[] = [
    { name: 'doveadm', check: () => doveadm.check().then(() => undefined) },
    ...(doveadmSocket ? [{ name: 'doveadm.socket', check: () => doveadmSocket.check() }] : []),
    {
      name: 'store',
      check: async () => {
        await ground.store.check();
        ground.damage.checkUsers();
      },
      remark: () => ground.damage.storeRemark(),
    },
    {
      name: 'outbox',
      check: () => ground.outbox.check(),
      remark: () => ground.damage.outboxRemark(),
    },
    { name: 'events', check: () => checkEvents(ground) },
    { name: 'proxy', check: () => checkProxy(domain.client.proxyState()) },
    {
      name: 'descriptors',
      check: () => ground.descriptorWatch.check(),
      remark: () => ground.descriptorWatch.remark(),
    },
    { name: 'clock', check: () => Promise.resolve(), remark: () => clockWatch.remark() },
  ];
  const health = buildHealth(ground, domain, flows, parts);
  const { checks } = health;
  const status = buildStatus(ground, domain, flows, health);
  const doors = buildDoors(ground, flows, checks, {
    adminRoutes: buildAdmin(ground, domain, flows),
    statusRoutes: status.routes,
  });
  const { delivery, subscriptions, client, encryptor, rawlog } = domain;
  let sweeper: NodeJS.Timeout | undefined;
  let stopping: Promise<void> | undefined;
  let url = '';

  async function stopInOrder(): Promise<void> {
    clearInterval(sweeper);
    clockWatch.stop();
    ground.descriptorWatch.stop();
    status.stop();
    await ground.userFilter.close().catch((error: unknown) => log.error({ err: error }));
    await doors.close(STOP_GRACE_MSECS);
    await flows.ox?.stop();
    await flows.logs.stop();
    await flows.oldSpool.stop();
    await flows.journal.stop();
    await flows.intake.drain();
    await flows.held.stop();
    // What is cut off here was perhaps delivered.
    const { timeout_msecs, answer_timeout_msecs } = config.webpush;
    const answerMsecs = Math.max(timeout_msecs, answer_timeout_msecs);
    const pushMsecs = timeout_msecs + answerMsecs + AFTER_ANSWER_MSECS;
    await delivery.stop(Math.min(Math.max(STOP_GRACE_MSECS, pushMsecs), LONGEST_GRACE_MSECS));
    await flows.source.stop(STOP_GRACE_MSECS);
    await subscriptions.close();
    await client.close();
    await encryptor.close();
    await rawlog?.flush();
    await ground.close();
  }
  const stop = (): Promise<void> => (stopping ??= stopInOrder());

  return {
    ...{ ground, domain, flows, stop },
    get url() {
      return url;
    },
    readiness: () => checkReadiness(checks),
    reload: (next) => reload(ground, domain, flows, next),
    start: async () => {
      try {
        await delivery.start();
        url = await doors.open();
        await status.start();
        flows.journal.start();
        flows.logs.start();
        flows.oldSpool.start();
        await flows.ox?.start();
      } catch (error) {
        await stop();
        throw error;
      }
      clockWatch.start();
      ground.descriptorWatch.start();
      void subscriptions.sweepAll();
      void ground.publishFilter();
      sweeper = setInterval(() => void subscriptions.sweep(), SWEEP_MSECS);
      const { source } = config.metadata;
      log.info({ url, source, store: ground.store.kind }, 'coi-sidecar is ready');
    },
  };
}

/** What mail processes need to leave events, and what would hide users from them. */
async function checkEvents({ eventDirectory, userFilter }: Ground): Promise<void> {
  await eventDirectory.check();
  await userFilter.check();
}

/** What the last push through it found; a proxy that nobody has used yet is taken as good. */
function checkProxy(state: ProxyState): Promise<void> {
  const problem = {
    auth: 'refuses our credentials; see webpush.proxy_username and proxy_password',
    refused: 'refuses to connect us to a push service',
    down: 'does not answer; see webpush.proxy_url',
    untrusted:
      'is not asked: its port on this host is held by another user; if that is the proxy, name it in webpush.proxy_trusted_users',
  }[state as string];
  return problem === undefined
    ? Promise.resolve()
    : Promise.reject(new UnavailableError(`the proxy for pushes ${problem}`));
}
