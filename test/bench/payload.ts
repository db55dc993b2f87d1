/**
 * How fast messages are read on one core: chat detection, which every candidate mail passes, and
 * payloads, which every push needs.
 *
 *   node test/bench/payload.ts [--quick]
 *
 * Prints operations a second of this process's time on the CPU, beside the aim of each. Other load on
 * the machine slows the figures down; nothing fails here.
 */
import { readFileSync } from 'node:fs';
import { isChatMessage } from '../../src/coi/chat-message.ts';
import { isDispositionNotification } from '../../src/messages/is-disposition-notification.ts';
import { parseHeaderBlock } from '../../src/messages/parse-header-block.ts';
import { buildMessagePayload } from '../../src/webpush/build-message-payload.ts';

const ROUND_MSECS = process.argv.includes('--quick') ? 150 : 1_000;
const ROUNDS = 3;
const BATCH = 250;

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../fixtures/messages/${name}.eml`, import.meta.url));

/** A message of exactly `octets`, its body filled up. */
const grownTo = (octets: number, message: Buffer): Buffer =>
  Buffer.concat([message, Buffer.alloc(octets - message.length, 'How are you today? Grüße!\r\n')]);

const chat = grownTo(1_024, fixture('chat-text'));
const named = grownTo(1_024, fixture('encoded-words'));
const ordinary = grownTo(1_024, fixture('ordinary-mail'));
const large = grownTo(100_000, fixture('chat-text'));
const place = { mailbox: 'COI/Chats', uid: 2_398_293, uidValidity: 123_287 };

const cases: [name: string, aim: number | undefined, run: () => unknown][] = [
  ['is-chat-message, chat', 300_000, () => isChatMessage(parseHeaderBlock(chat))],
  ['is-chat-message, ordinary mail', 300_000, () => isChatMessage(parseHeaderBlock(ordinary))],
  [
    'is-disposition-notification',
    undefined,
    () => isDispositionNotification(parseHeaderBlock(chat)),
  ],
  ['payload, 1 kB chat', 20_000, () => buildMessagePayload(chat, place)],
  ['payload, 1 kB with encoded words', undefined, () => buildMessagePayload(named, place)],
  ['payload, 100 kB chat (no content)', undefined, () => buildMessagePayload(large, place)],
];

for (const [name, aim, run] of cases) {
  measure(run, ROUND_MSECS / 5);
  const rates = Array.from({ length: ROUNDS }, () => measure(run, ROUND_MSECS / ROUNDS));
  const rate = Math.round(Math.max(...rates));
  const compared = aim === undefined ? '' : `  aim ${aim.toLocaleString('en')}`;
  console.log(`${name.padEnd(36)}${rate.toLocaleString('en').padStart(10)}/s${compared}`);
}

/** Runs per second of CPU time, over about `msecs` of it. */
function measure(run: () => unknown, msecs: number): number {
  const started = cpuMsecs();
  let runs = 0;
  let used = 0;
  while (used < msecs) {
    for (let at = 0; at < BATCH; at++) run();
    runs += BATCH;
    used = cpuMsecs() - started;
  }
  return (runs / used) * 1_000;
}

function cpuMsecs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
