import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DovecotVersion } from '../../../src/cli/demo/dovecot-release.ts';
import { startPrivateDovecot, type PrivateDovecot } from '../../../src/cli/demo/private-dovecot.ts';
import { ImapClient } from '../imap-client.ts';
import { makeCertificates } from '../make-certificates.ts';
import {
  startScriptedPushService,
  type ScriptedPushService,
  type UserAgent,
} from '../scripted-push-service.ts';
import { launchSidecar, type StartingSidecar } from '../spawn-sidecar.ts';
import { stageConfig, VENDOR } from '../start-stage.ts';
import { subscribe } from '../subscribe.ts';
import { startTcpRelay, type TcpRelay } from '../tcp-relay.ts';

export interface CrashWorldOptions {
  users: number;
  /** Of each user, each at another push service. */
  subscriptions: number;
  /** How long the push services take to answer, in milliseconds. */
  pushMsecs: number;
  /** Default: the one that this machine has. */
  version?: DovecotVersion;
  /** Default: an SQLite file. */
  storeUrl?: string;
}

/** Dovecot, a sidecar that may be killed, push services, and users who have subscribed. */
export interface CrashWorld {
  readonly dovecot: PrivateDovecot;
  readonly agents: ReadonlyMap<string, readonly UserAgent[]>;
  /** Between the sidecar and doveadm's API. */
  readonly doveadm: TcpRelay;
  /** The current process. */
  sidecar: StartingSidecar;
  /** Starts the next process, as systemd would. */
  restart(): Promise<void>;
  /** A figure of `/metrics`. */
  metric(name: string): Promise<number>;
  close(): Promise<void>;
}

export async function createCrashWorld(options: CrashWorldOptions): Promise<CrashWorld> {
  await using started = new AsyncDisposableStack();
  const { version, storeUrl } = options;
  const dovecot = await startPrivateDovecot(version && { version });
  started.defer(() => dovecot.stop());
  const { dir } = dovecot.layout;
  const caFile = join(dir, 'ca.pem');
  await writeFile(caFile, makeCertificates().ca);
  const doveadm = await startTcpRelay();
  started.defer(() => doveadm.close());
  doveadm.target = Number(new URL(dovecot.doveadm.url).port);
  const url = `http://127.0.0.1:${doveadm.port}/doveadm/v1`;
  const store = storeUrl === undefined ? {} : { url: storeUrl };
  const config = stageConfig(dovecot, caFile, { config: { doveadm: { url }, store } });
  const services: ScriptedPushService[] = [];
  for (let count = 0; count < options.subscriptions; count++) {
    const service = await startScriptedPushService();
    service.behave = (response) => {
      void sleep(options.pushMsecs).then(() => response.writeHead(201).end());
    };
    services.push(service);
    started.defer(() => service.close());
  }
  const agents = new Map<string, UserAgent[]>();
  const sidecar = await launchSidecar(dir, config);
  started.defer(() => world.sidecar.kill());
  const world: CrashWorld = {
    dovecot,
    agents,
    doveadm,
    sidecar,
    restart: async () => {
      world.sidecar = await launchSidecar(dir, config);
    },
    metric: async (name) => {
      const text = await (await fetch(`${dovecot.sidecar.url}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    },
    close: () => owned.disposeAsync(),
  };
  await world.sidecar.ready;
  for (let count = 1; count <= options.users; count++) {
    const user = `user${count}@example.org`;
    agents.set(user, await Promise.all(services.map((service) => service.addUserAgent())));
    await subscribeAll(dovecot, user, agents.get(user) ?? []);
  }
  const owned = started.move();
  return world;
}

async function subscribeAll(
  { imap, password }: PrivateDovecot,
  user: string,
  agents: readonly UserAgent[],
): Promise<void> {
  const client = await ImapClient.open(imap, { user, password });
  await client.setMetadata('', `${VENDOR}/coi/config/message-filter`, 'active');
  await client.setMetadata('', `${VENDOR}/coi/config/enabled`, 'yes');
  for (const agent of agents) await subscribe(client, agent);
  await client.close();
}
