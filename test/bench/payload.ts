/**
 * How fast messages are read on one core: chat detection, which every candidate mail passes, and
 * payloads, which every push needs.
 *
 *   node test/bench/payload.ts [--quick]
 *
 * Prints operations a second beside the aim of each: the best of many short rounds, which is what one
 * core does when nothing else has it. Nothing fails here.
 */
import { readFileSync } from 'node:fs';
import { isChatMessage } from '../../src/coi/chat-message.ts';
import { isDispositionNotification } from '../../src/messages/is-disposition-notification.ts';
import { parseHeaderBlock } from '../../src/messages/parse-header-block.ts';
import { buildMessagePayload } from '../../src/webpush/payload/build-message-payload.ts';

const ROUNDS = process.argv.includes('--quick') ? 200 : 2_000;
const RUNS = 250;

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../fixtures/messages/${name}.eml`, import.meta.url));

/** A message of exactly `octets`, its body filled up. */
const grownTo = (octets: number, message: Buffer): Buffer =>
  Buffer.concat([message, Buffer.alloc(octets - message.length, 'How are you today? Grüße!\r\n')]);

const chat = grownTo(1_024, fixture('chat-text'));
const named = grownTo(1_024, fixture('encoded-words'));
const ordinary = grownTo(1_024, fixture('ordinary-mail'));
const large = grownTo(100_000, fixture('chat-text'));
const place = { mailbox: 'COI/Chats', uid: 2_398_293, uidvalidity: 123_287 };

const cases: [name: string, aim: number | undefined, run: () => unknown][] = [
  ['is-chat-message, chat', 300_000, () => isChatMessage(parseHeaderBlock(chat))],
  ['is-chat-message, ordinary mail', 300_000, () => isChatMessage(parseHeaderBlock(ordinary))],
  ['is-disposition-notification', undefined, () => isDispositionNotification(chat)],
  ['payload, 1 kB chat', 20_000, () => buildMessagePayload(chat, place)],
  ['payload, 1 kB with encoded words', undefined, () => buildMessagePayload(named, place)],
  ['payload, 100 kB chat (no content)', undefined, () => buildMessagePayload(large, place)],
];

for (const [name, aim, run] of cases) {
  const rate = Math.round(Math.max(...Array.from({ length: ROUNDS }, () => measure(run))));
  const compared = aim === undefined ? '' : `  aim ${aim.toLocaleString('en')}`;
  console.log(`${name.padEnd(36)}${rate.toLocaleString('en').padStart(10)}/s${compared}`);
}

/** Runs a second over one round. */
function measure(run: () => unknown): number {
  const started = performance.now();
  for (let at = 0; at < RUNS; at++) run();
  return (RUNS / (performance.now() - started)) * 1_000;
}
