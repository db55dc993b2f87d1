import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptedPushService, UserAgent } from '../support/scripted-push-service.ts';
import { DictConnection } from './dict-connection.ts';
import type { Target } from './door.ts';
import { exchange } from './exchange.ts';
import { Finding } from './finding.ts';
import { ask } from './http-answers.ts';

/** Users whose pushes are owed: the doors tell of mail for them as well, and of what became of Chats. */
export const SUBSCRIBERS = ['right0@example.org', 'right1@example.org'] as const;

/** Nobody else's: an event of a door that is handled late may disable COI for whoever it names. */
const USER = 'right@example.org';
const GUID = 'abcdef0123456789abcdef0123456789';
const OWN = `priv/${GUID}/vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/`;
const CHAT = readFileSync(new URL('../fixtures/messages/chat-text.eml', import.meta.url));
const PUSH_MSECS = 45_000;
const READY_MSECS = 20_000;

const PAGES = ['/healthz', '/metrics', '/v1/users', '/v1/outbox?limit=1000', '/v1/throttled', '/'];

/**
 * What a service has to answer rightly whatever was done to it: readiness and every page, a dict
 * transaction, a chat message on both classify roads, and one mail's push by each road of events.
 */
export class RightDialogue {
  readonly #push: ScriptedPushService;
  readonly #agents = new Map<string, UserAgent>();
  #mails = 0;

  constructor(push: ScriptedPushService) {
    this.#push = push;
  }

  /** @throws Finding naming the step that went wrong */
  async hold(target: Target): Promise<void> {
    await step('ready', () => this.#becomeReady(target));
    for (const path of PAGES) await step(path, () => expectPage(target, path));
    await step('dict', () => this.#speakDict(target));
    await step('classify', () => this.#classify(target));
    for (const user of SUBSCRIBERS) {
      await step('subscription', () => this.#subscribe(target, user));
      await step('event over HTTP', () => this.#expectPush(target, user, 'http'));
      await step('event from the disk', () => this.#expectPush(target, user, 'disk'));
    }
  }

  /** Nobody knows them any more: the state is another. */
  forget(): void {
    this.#agents.clear();
  }

  async #becomeReady(target: Target): Promise<void> {
    const deadline = performance.now() + READY_MSECS;
    for (;;) {
      const { status, text } = await ask(target, { path: '/readyz' });
      if (status === 200) return;
      if (performance.now() > deadline) throw new Error(`${status} ${text}`);
      await sleep(250);
    }
  }

  async #speakDict(target: Target): Promise<void> {
    const key = `priv/${GUID}/comment`;
    const dialogue: [lines: string[], reply: string][] = [
      [[`L${OWN}coi/config/mailbox-root\t${USER}`], 'OCOI'],
      [change(1, `S1\t${OWN}coi/config/enabled\tyes`), 'O1'],
      [change(2, `S2\t${OWN}coi/config/message-filter\tactive`), 'O2'],
      [change(3, `S3\t${key}\twords\x01nand more`), 'O3'],
      [[`L${key}\t${USER}`], 'Owords\nand more'],
      [change(4, `U4\t${key}`), 'O4'],
      [[`L${key}\t${USER}`], 'N'],
    ];
    for (const [lines, wanted] of dialogue) {
      const got = await speak(target, lines);
      if (got !== wanted) throw new Error(`${JSON.stringify(wanted)} expected, not ${got}`);
    }
  }

  async #classify(target: Target): Promise<void> {
    const path = `/v1/classify?user=${encodeURIComponent(USER)}`;
    const over = await ask(
      target,
      { path, method: 'POST', headers: { 'content-type': 'message/rfc822' }, body: CHAT },
      target.token,
    );
    const head = `VERSION\tscript\t4\t0\nenv_USER=${USER}\n-\n\n`;
    const request = Buffer.concat([Buffer.from(head), CHAT]);
    const script = await exchange({ path: target.scriptSocket }, request, 'a chat message');
    const said = [over.text, script.toString()];
    if (said[0] !== 'file COI/Chats' || said[1] !== 'file COI/Chats+\n') {
      throw new Error(JSON.stringify(said));
    }
  }

  /** Subscribes and validates once; later it has to be there still. */
  async #subscribe(target: Target, user: string): Promise<void> {
    const key = `${OWN}webpush/subscriptions/right-dialogue`;
    const set = async (name: string, value: string): Promise<void> => {
      const reply = await speak(target, change(1, `S1\t${name}\t${value}`, user));
      if (reply !== 'O1') throw new Error(reply);
    };
    if (!this.#agents.has(user)) {
      const agent = await this.#push.addUserAgent();
      this.#agents.set(user, agent);
      const { resource } = agent;
      await set(key, JSON.stringify({ client: 'c', device: 'd', msgtype: 'all', resource }));
      const { payload } = await agent.next(PUSH_MSECS);
      await set(`${key}/validate`, String(payload['validation']));
    }
    const stored = await speak(target, [`L${key}\t${user}`]);
    if (!stored.includes('"validated":true')) throw new Error('it is gone');
  }

  /** One mail, told of by a road, and the push for it. */
  async #expectPush(target: Target, user: string, road: 'http' | 'disk'): Promise<void> {
    this.#mails += 1;
    const id = `<right.${process.pid}.${this.#mails}@example.org>`;
    const event = {
      ...{ event: 'MessageNew', mailbox: 'INBOX', uid: 1_000 + this.#mails, uidvalidity: 1 },
      ...{ message_id: id, keywords: [], from: 'A <a@example.org>', subject: 'Hello' },
    };
    // The system user tells the service whose log to make.
    const uid = process.getuid?.() ?? 0;
    const body = JSON.stringify({ user, uid, service: 'lmtp', session: 'right', events: [event] });
    const headers = { 'content-type': 'application/json' };
    if (road === 'disk') target.events.put(Buffer.from(body));
    else {
      const request = { path: '/v1/events', method: 'POST', headers, body };
      const { status, text } = await ask(target, request, target.token);
      if (status !== 204 && status !== 202) throw new Error(`${status} ${text}`);
    }
    const deadline = performance.now() + PUSH_MSECS;
    while (performance.now() < deadline) {
      const agent = this.#agents.get(user);
      const push = await agent?.next(PUSH_MSECS);
      const got = push?.payload['msg-id'];
      // Those of the doors arrive here as well.
      if (got === id || `<${String(got)}>` === id) return;
    }
    throw new Error(`no push for the mail within ${PUSH_MSECS} ms`);
  }
}

async function expectPage(target: Target, path: string): Promise<void> {
  const { status, text } = await ask(target, { path });
  if (status !== 200) throw new Error(`${status} ${text.slice(0, 500)}`);
}

const change = (id: number, line: string, user: string = USER): string[] => [
  `B${id}\t${user}\t0`,
  line,
  `C${id}`,
];

/** Sends lines of which the last has a reply. @returns its letter and first field */
async function speak(target: Target, lines: readonly string[]): Promise<string> {
  const client = new DictConnection(target.dictSocket);
  try {
    await client.send(lines.slice(0, -1));
    const reply = await client.command(lines.at(-1) ?? '', false);
    if (reply === undefined) return 'the connection broke';
    // Behind what was asked for, a slow reply tells its times.
    const { letter, fields } = reply;
    return letter === 'F' ? `F${fields.join(' ')}` : letter + (fields[0] ?? '');
  } finally {
    client.end();
  }
}

async function step(name: string, take: () => Promise<void>): Promise<void> {
  try {
    await take();
  } catch (error) {
    if (error instanceof Finding) throw error;
    throw new Finding(
      `right dialogue: ${name}`,
      error instanceof Error ? error.message : String(error),
    );
  }
}
