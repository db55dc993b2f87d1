import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createApp, type App } from '../../src/app.ts';
import type { Clock, Sleep } from '../../src/clock.ts';
import {
  startPrivateDovecot,
  type PrivateDovecot,
  type PrivateDovecotOptions,
} from '../../src/cli/demo/private-dovecot.ts';
import { makeCertificate, type Certificate } from '../../src/cli/demo/make-certificate.ts';
import { startPushService, type PushService } from '../../src/cli/demo/push-service.ts';
import { readConfig } from '../../src/config/load-config.ts';
import type { Config } from '../../src/config/schema.ts';
import { UnavailableError } from '../../src/errors.ts';
import { createLogger, type Logger } from '../../src/logging.ts';
import { createSealer } from '../../src/stores/seal.ts';
import { decodeVapidRecord, VAPID_KEY } from '../../src/webpush/vapid/vapid-record.ts';
import { overlay, type Sections } from './config-in.ts';
import { ImapClient } from './imap-client.ts';
import { recordLog } from './record-log.ts';
import {
  registerConfiguration,
  registerPrivateKey,
  watchRawlogs,
  watchShown,
} from './secret-watch.ts';
import { startUserAgent, type UserAgent } from './user-agent.ts';

/** What the specification's entries begin with over IMAP. */
export const VENDOR = '/private/vendor/vendor.dovecot';

export interface StageOptions extends PrivateDovecotOptions {
  /** Configuration over the stage's own, section by section. */
  config?: Sections;
  clock?: Clock;
  sleep?: Sleep;
  /** Default: kept in memory, or standard output with COI_TEST_LOG. */
  log?: Logger;
  /** Certificate authorities of push services besides the stage's own, in PEM. */
  authorities?: readonly string[];
}

/** A private stock Dovecot with the sidecar beside it, in this process, and a push service. */
export interface Stage {
  dovecot: PrivateDovecot;
  app: App;
  push: PushService;
  /** Signed by itself; the sidecar trusts it. */
  certificate: Certificate;
  /** A further user agent, with a push service of its own; closed with the stage. */
  userAgent(): Promise<UserAgent>;
  /** Starts the sidecar anew over the same state, as after a crash or an upgrade. */
  restart(): Promise<void>;
  /** Logs a user in over IMAP; closed with the stage. */
  login(user: string): Promise<ImapClient>;
  /** A user that no other test has. */
  freshUser(): string;
  close(): Promise<void>;
}

let users = 0;

/** What has started is stopped again when another part does not start. */
export async function startStage(options: StageOptions = {}): Promise<Stage> {
  await using started = new AsyncDisposableStack();
  const dovecot = await startPrivateDovecot(options);
  started.defer(() => dovecot.stop());
  const certificate = await makeCertificate();
  const push = await startPushService(certificate);
  started.defer(() => push.close());
  const caFile = join(dovecot.layout.dir, 'ca.pem');
  await writeFile(caFile, [certificate.cert, ...(options.authorities ?? [])].join('\n'));
  const clients: ImapClient[] = [];
  const agents: UserAgent[] = [];
  started.defer(() => closeAll(agents));

  const values = stageConfig(dovecot, caFile, options);
  registerConfiguration(values);
  const rawlogs = join(dovecot.layout.dir, 'rawlogs');
  mkdirSync(rawlogs, { recursive: true });
  values['webpush'] = { rawlog_dir: rawlogs, ...values['webpush'] };
  const config = readConfig(JSON.stringify(values));
  const log =
    options.log ??
    (process.env['COI_TEST_LOG'] === undefined ? recordLog().log : createLogger('debug'));
  started.defer(() => {
    registerVapidKeys(config);
    watchRawlogs(rawlogs);
    watchShown('log of Dovecot', readFileSync(dovecot.layout.logFile, 'utf8'));
  });
  const start = async (): Promise<App> => {
    const app = await createApp(config, {
      log,
      ...(options.clock && { clock: options.clock }),
      ...(options.sleep && { sleep: options.sleep }),
    });
    await app.start();
    return app;
  };
  const app = await start();
  started.defer(() => stage.app.stop());
  started.defer(() => closeAll(clients));
  const owned = started.move();
  const stage: Stage = {
    dovecot,
    push,
    certificate,
    app,
    userAgent: async () => {
      const agent = await startUserAgent(certificate);
      agents.push(agent);
      return agent;
    },
    restart: async () => {
      await stage.app.stop();
      stage.app = await start();
    },
    login: async (user) => {
      const client = await ImapClient.open(dovecot.imap, { user, password: dovecot.password });
      clients.push(client);
      return client;
    },
    freshUser: () => `user${process.pid}-${++users}@example.org`,
    close: () => owned.disposeAsync(),
  };
  return stage;
}

/** The private keys that the service made for its users, as far as they lie here and can be read. */
function registerVapidKeys({ store: { url, key_file: keyFile } }: Config): void {
  const file = url.replace('sqlite:', '');
  if (!existsSync(file)) return;
  const sealer = createSealer(keyFile || undefined);
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const records = db.prepare('SELECT user, value FROM entries WHERE key = ?').all(VAPID_KEY);
    for (const { user, value } of records) {
      const octets = Buffer.from(value as Uint8Array);
      registerPrivateKey(decodeVapidRecord(user as string, octets, sealer).privateKey);
    }
  } catch (error) {
    // Some tests damage what lies there.
    if (!(error instanceof UnavailableError)) throw error;
  } finally {
    db.close();
  }
}

async function closeAll(open: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(open.map((one) => one.close()));
}

/** The sidecar's configuration beside a private Dovecot; JSON is YAML, too. */
export function stageConfig(
  dovecot: PrivateDovecot,
  caFile: string,
  options: Pick<StageOptions, 'metadata' | 'events' | 'config'> = {},
): Sections {
  const { metadata = 'dict', events, config = {} } = options;
  const base: Sections = {
    http: {
      listen: new URL(dovecot.sidecar.url).host,
      token: dovecot.sidecar.token,
      admin_token: 'an-admin-token-for-tests',
      socket: join(dovecot.layout.sidecarDir, 'http.sock'),
    },
    dict: { socket: dovecot.sockets.dict, mode: '0666' },
    sieve: { socket: dovecot.sockets.classify, mode: '0666' },
    metadata: { source: metadata },
    events: {
      ...(events === 'ox' && { driver: events }),
      dir: dovecot.eventsDir,
    },
    store: { url: `sqlite:${join(dovecot.layout.dir, 'state.db')}` },
    outbox: { path: join(dovecot.layout.dir, 'outbox.db') },
    doveadm: {
      url: dovecot.doveadm.unixUrl,
      api_key: dovecot.doveadm.apiKey,
      socket: dovecot.doveadm.socket,
    },
    spool: { dir: dovecot.layout.oldSpoolDir },
    webpush: { allow_private_endpoints: ['localhost', '127.0.0.1'], ca_file: caFile },
  };
  return overlay(base, config);
}

/** A message of the fixtures (`test/fixtures/messages`). */
export const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../fixtures/messages/${name}`, import.meta.url));

/** Tries until it passes; for what happens just after an answer. */
export async function eventually<T>(
  attempt: () => Promise<T> | T,
  withinMsecs = 5_000,
): Promise<T> {
  const deadline = Date.now() + withinMsecs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
