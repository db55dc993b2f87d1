import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import { createApp, type App } from '../../app.ts';
import { readConfig } from '../../config/load-config.ts';
import { createLogger } from '../../logging.ts';
import { chatMessage, ordinaryMessage } from './demo-messages.ts';
import { getAnnotations, setAnnotation } from './imap-metadata.ts';
import { deliver } from './lmtp-client.ts';
import { makeCertificate } from './make-certificate.ts';
import type { Narrator } from './narrator.ts';
import { startPrivateDovecot, type PrivateDovecot } from './private-dovecot.ts';
import { startPushService, type PushService, type ReceivedPush } from './push-service.ts';

/** Everything that the demo started. */
export interface DemoStage {
  dovecot: PrivateDovecot;
  app: App;
  pushService: PushService;
  client: ImapFlow;
  close(): Promise<void>;
}

export type MetadataSourceName = 'dict' | 'doveadm';

const USER = 'bob@example.org';
const PREFIX = '/private/vendor/vendor.dovecot';
const SUBSCRIPTION = `${PREFIX}/webpush/subscriptions/31754ee7-d3ee-4226-b112-6895ed26fcf8`;

/**
 * A stock Dovecot becomes a COI and WebPush server before one's eyes. Rejects at the first step that
 * does not do what it should.
 */
export async function runDemo(narrator: Narrator, source: MetadataSourceName): Promise<DemoStage> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.reverse()) await closer().catch(() => undefined);
  };
  try {
    const parts = await setTheStage(narrator, source, closers);
    await enableCoi(narrator, parts, source);
    await subscribe(narrator, parts);
    await receiveChat(narrator, parts);
    await receiveOrdinaryMail(narrator, parts);
    await readAfterwards(narrator, parts);
    return { ...parts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Stage = Omit<DemoStage, 'close'>;

async function setTheStage(
  { step, heading }: Narrator,
  source: MetadataSourceName,
  closers: (() => Promise<unknown>)[],
): Promise<Stage> {
  heading('The stage');
  const dovecot = await step('a stock Dovecot starts, with the shipped snippets', async (say) => {
    const started = await startPrivateDovecot({ metadata: source });
    closers.push(() => started.stop());
    say(`IMAP on port ${started.imap.port}, LMTP on port ${started.lmtp.port}`);
    return started;
  });
  const certificate = await makeCertificate();
  const pushService = await step(
    'a push service starts (TLS, decrypts with WebCrypto)',
    async (say) => {
      const started = await startPushService(certificate);
      closers.push(() => started.close());
      say(started.resource.endpoint);
      return started;
    },
  );
  const app = await step('coi-sidecar starts beside it', async (say) => {
    const caFile = join(dovecot.layout.dir, 'ca.pem');
    await writeFile(caFile, certificate.cert);
    const config = readConfig(demoConfig(dovecot, source, caFile));
    const built = await createApp(config, { log: createLogger('silent') });
    closers.push(() => built.stop());
    await built.start();
    const { ready, checks } = await built.readiness();
    assert.ok(ready, JSON.stringify(checks));
    say(`ready: ${Object.keys(checks).join(', ')}`);
    return built;
  });
  const client = await step('a stock IMAP client logs in and sees COI and WEBPUSH', async (say) => {
    const opened = new ImapFlow({
      ...dovecot.imap,
      secure: false,
      doSTARTTLS: false,
      auth: { user: USER, pass: dovecot.password },
      logger: false,
    });
    await opened.connect();
    closers.push(() => opened.logout());
    assert.ok(opened.capabilities.has('COI') && opened.capabilities.has('WEBPUSH'));
    say(`CAPABILITY … ${[...opened.capabilities.keys()].slice(-4).join(' ')}`);
    return opened;
  });
  return { dovecot, app, pushService, client };
}

const demoConfig = (dovecot: PrivateDovecot, source: MetadataSourceName, caFile: string): string =>
  JSON.stringify({
    http: { listen: new URL(dovecot.sidecar.url).host, token: dovecot.sidecar.token },
    dict: { socket: dovecot.sockets.dict, mode: '0666' },
    sieve: { socket: dovecot.sockets.classify, mode: '0666' },
    metadata: { source },
    store: { url: `sqlite:${join(dovecot.layout.dir, 'state.db')}` },
    outbox: { path: join(dovecot.layout.dir, 'outbox.db') },
    doveadm: { url: dovecot.doveadm.url, api_key: dovecot.doveadm.apiKey },
    events: { dir: dovecot.eventsDir },
    spool: { dir: dovecot.layout.oldSpoolDir },
    webpush: {
      allow_private_endpoints: ['localhost'],
      ca_file: caFile,
      vapid_subject: 'mailto:postmaster@example.org',
    },
  });

async function enableCoi(
  { step, heading }: Narrator,
  { client }: Stage,
  source: MetadataSourceName,
): Promise<void> {
  heading('Bob enables COI');
  await step('SETMETADATA coi/config/enabled yes, message-filter active', async () => {
    await setAnnotation(client, `${PREFIX}/coi/config/enabled`, 'yes');
    await setAnnotation(client, `${PREFIX}/coi/config/message-filter`, 'active');
  });
  await step('the folders are there, and subscribed', async (say) => {
    const folders = await eventually(source, async () => {
      const all = await client.list();
      const wanted = ['COI/Chats', 'COI/Contacts', 'Blocked'];
      const found = all.filter(({ path }) => wanted.includes(path));
      assert.equal(found.length, 3);
      return found;
    });
    assert.ok(folders.every(({ subscribed }) => subscribed));
    say(folders.map(({ path }) => path).join('  '));
  });
  await step('GETMETADATA (DEPTH 1) shows the configuration', async (say) => {
    const shown = await eventually(source, async () => {
      const found = await getAnnotations(client, `${PREFIX}/coi/config`, '1');
      assert.equal(found.get(`${PREFIX}/coi/config/mailbox-root`), 'COI');
      return found;
    });
    for (const [entry, value] of shown)
      say(`${entry.slice(PREFIX.length + 1)} = ${value ?? 'NIL'}`);
    assert.equal(shown.get(`${PREFIX}/coi/config/enabled`), 'yes');
  });
}

async function subscribe(
  { step, heading }: Narrator,
  { client, pushService }: Stage,
): Promise<void> {
  heading('Bob’s phone subscribes to pushes');
  await step('the VAPID key is his own', async (say) => {
    const entry = `${PREFIX}/webpush/vapid`;
    const pem = (await getAnnotations(client, entry)).get(entry);
    assert.match(pem ?? '', /^-----BEGIN PUBLIC KEY-----/);
    say(pem ?? '');
  });
  await step('SETMETADATA webpush/subscriptions/31754ee7-…', async () => {
    const subscription = {
      client: 'My awesome WebPush App',
      device: 'My Favorite Smartphone',
      msgtype: 'all',
      resource: pushService.resource,
    };
    await setAnnotation(client, SUBSCRIPTION, JSON.stringify(subscription));
  });
  const token = await step('the validation push arrives, encrypted', async (say) => {
    const push = await pushService.next();
    assert.equal(push.headers['webpush-validation'], '');
    const validation = String(push.payload['validation']);
    say(`WebPush-Validation:  ${push.size} octets  {"validation":"${validation.slice(0, 12)}…"}`);
    return validation;
  });
  await step('the phone validates: the subscription is in use', async (say) => {
    await setAnnotation(client, `${SUBSCRIPTION}/validate`, token);
    const listed = await eventually('doveadm', async () => {
      const found = await getAnnotations(client, SUBSCRIPTION);
      const value = JSON.parse(found.get(SUBSCRIPTION) ?? '{}') as Record<string, unknown>;
      assert.equal(value['validated'], true);
      return value;
    });
    say(`created ${String(listed['created'])}, validated ${String(listed['validated'])}`);
  });
}

async function receiveChat(
  { step, heading }: Narrator,
  { dovecot, client, pushService }: Stage,
): Promise<void> {
  heading('A chat message arrives');
  const sentAt = await step('LMTP takes it', async (say) => {
    const { replies } = await deliver(dovecot.lmtp, 'alice@example.org', [USER], chatMessage(USER));
    assert.equal(replies[0]?.code, 250);
    say(`250 ${replies[0].text}`);
    return Date.now();
  });
  await step('it is in COI/Chats with $Chat, and INBOX has seen nothing', async (say) => {
    assert.deepEqual(await fetchAll(client, 'INBOX'), []);
    const [message] = await fetchAll(client, 'COI/Chats');
    const flags = [...(message?.flags ?? [])];
    assert.ok(message !== undefined && flags.includes('$Chat'), 'no $Chat message in COI/Chats');
    say(`COI/Chats  uid ${message.uid}  ${flags.join(' ')}  ${message.envelope?.subject ?? ''}`);
  });
  await step('the push arrives on the phone', async (say) => {
    const push = await pushService.next();
    showPush(say, push, sentAt);
    assert.equal(push.payload['folder'], 'COI/Chats');
    assert.equal(push.payload['from-email'], 'alice@example.org');
    assert.match(String(push.payload['content']), /Ska vi äta lunch\? 🥗/);
  });
}

async function receiveOrdinaryMail(
  { step, heading }: Narrator,
  { dovecot, client, pushService }: Stage,
): Promise<void> {
  heading('An ordinary message arrives');
  const sentAt = await step('LMTP takes it; it is in INBOX, without $Chat', async (say) => {
    await deliver(dovecot.lmtp, 'joerg@example.net', [USER], ordinaryMessage(USER));
    const deliveredAt = Date.now();
    const [message] = await fetchAll(client, 'INBOX');
    assert.ok(message !== undefined && message.flags?.has('$Chat') !== true);
    say(`INBOX  uid ${message.uid}  ${message.envelope?.subject ?? ''}`);
    return deliveredAt;
  });
  await step('its push arrives too: the phone asked for all messages', async (say) => {
    const push = await pushService.next();
    showPush(say, push, sentAt);
    assert.equal(push.payload['subject'], 'Rechnung für November');
  });
}

async function readAfterwards(
  { step, heading }: Narrator,
  { dovecot, client }: Stage,
): Promise<void> {
  heading('message-filter seen');
  await step(
    'a chat message waits in INBOX, and leaves for COI/Chats once it is read',
    async (say) => {
      await setAnnotation(client, `${PREFIX}/coi/config/message-filter`, 'seen');
      await eventually('doveadm', async () => {
        await deliver(dovecot.lmtp, 'alice@example.org', [USER], chatMessage(USER));
        assert.ok((await fetchAll(client, 'INBOX')).some(({ flags }) => flags?.has('$Chat')));
      });
      const before = (await fetchAll(client, 'COI/Chats')).length;
      const lock = await client.getMailboxLock('INBOX');
      await client.messageFlagsAdd({ keyword: '$Chat' }, ['\\Seen']).finally(() => lock.release());
      await eventually('doveadm', async () => {
        assert.ok((await fetchAll(client, 'COI/Chats')).length > before);
      });
      say('STORE +FLAGS (\\Seen): moved');
    },
  );
  await step('Dovecot’s log is clean', () => {
    assert.deepEqual(dovecot.errors(), []);
    return Promise.resolve();
  });
}

async function fetchAll(client: ImapFlow, mailbox: string) {
  const lock = await client.getMailboxLock(mailbox);
  try {
    // What arrived since the mailbox was selected becomes visible with a NOOP.
    await client.noop();
    return await client.fetchAll('1:*', { flags: true, envelope: true }).catch(() => []);
  } finally {
    lock.release();
  }
}

function showPush(say: (line: string) => void, push: ReceivedPush, sentAt: number): void {
  const urgency = push.headers['urgency'] ?? 'normal';
  say(
    `TTL ${push.headers['ttl'] ?? '?'}, urgency ${urgency}, ${push.size} octets, ${push.at - sentAt} ms after LMTP's 250`,
  );
  say(JSON.stringify(push.payload, null, 2));
}

/** With `dict` everything holds when the client has its OK; with `doveadm` just after it. */
async function eventually<T>(source: MetadataSourceName, attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + (source === 'dict' ? 0 : 5_000);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
