import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

export interface SimulatedDovecot {
  /** `sieve.socket` */
  classifySocket: string;
  /** Where the sidecar's HTTP service listens, and its token. */
  url: string;
  token: string;
}

let serial = 0;

/**
 * What reaches the sidecar when Dovecot delivers a chat message: the classify road, then the event, in
 * the octets that Dovecot would send. Everything that Dovecot itself does is left out.
 *
 * @returns how long the event took to be owed, in milliseconds
 */
export async function simulateDelivery(
  { classifySocket, url, token }: SimulatedDovecot,
  user: string,
): Promise<number> {
  const uid = (serial += 1);
  const messageId = `<chat$${process.pid}.${uid}@example.org>`;
  await classify(classifySocket, user, chatMessage(messageId));
  const event = {
    ...{ event: 'MessageNew', mailbox: 'COI/Chats', uid, uidvalidity: 1 },
    ...{ keywords: ['$Chat'], message_id: messageId, from: 'Alice <alice@example.org>' },
    ...{ subject: 'Hello there', date: 1_704_106_800, tz: 60 },
  };
  const started = performance.now();
  await post(`${url}/v1/events`, token, JSON.stringify({ user, service: 'lmtp', events: [event] }));
  return performance.now() - started;
}

async function classify(path: string, user: string, message: string): Promise<void> {
  const socket = connect(path);
  socket.setEncoding('latin1');
  const header = ['VERSION\tscript\t4\t0', `env_USER=${user}`, '-', 'expect', 'file COI/Chats', ''];
  socket.end(`${header.join('\n')}\n${message}`);
  let answer = '';
  socket.on('data', (text: string) => (answer += text));
  await once(socket, 'close');
  if (!answer.endsWith('\n')) throw new Error('the sidecar did not answer');
}

const agent = new Agent({ keepAlive: true });

function post(url: string, token: string, events: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'coi-events': events, 'content-length': 0 };
  return new Promise((resolve, reject) => {
    request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().once('end', () => {
        if (response.statusCode === 204 || response.statusCode === 202) resolve();
        else reject(new Error(`/v1/events answered ${response.statusCode}`));
      });
    })
      .once('error', reject)
      .end();
  });
}

const BODY = 'How are you today? It is all fine here, and the weather is good.\r\n'.repeat(12);

const chatMessage = (messageId: string): string =>
  [
    'From: Alice <alice@example.org>',
    'To: bob@example.org',
    'Subject: Hello there',
    'Date: Mon, 01 Jan 2024 12:00:00 +0100',
    `Message-ID: ${messageId}`,
    'Chat-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    BODY,
  ].join('\r\n');
