import { readdirSync, readFileSync } from 'node:fs';
import type { Chance } from './chance.ts';

const FIXTURES = new URL('../fixtures/messages/', import.meta.url);
const SEEDS = readdirSync(FIXTURES).map((name) => readFileSync(new URL(name, FIXTURES)));

/** An address as senders write it, and as nobody should. */
function address(chance: Chance): string {
  const comment = `(${'('.repeat(chance.below(chance.oneIn(20) ? 5_000 : 4))}${chance.text()}`;
  return chance.pick([
    'a@example.org',
    `"${chance.text()}" <${chance.text(20)}@${chance.text(20)}>`,
    `${comment} a@example.org`,
    '<'.repeat(chance.below(chance.oneIn(20) ? 16_000 : 8)),
    Array.from({ length: chance.below(40) }, (_, index) => `a${index}@example.org`).join(', '),
    `=?${chance.pick(['utf-8', 'x', 'utf-16', 'iso-2022-jp'])}?${chance.pick(['B', 'Q', 'Z'])}?${chance.text()}?=`,
    `group: ${chance.text()}, b@example.org;`,
  ]);
}

/** A message: one of the fixtures changed, or headers and parts put together at random. */
export function makeMessage(chance: Chance): Buffer {
  if (chance.oneIn(2)) {
    const seed = chance.pick(SEEDS);
    return chance.oneIn(8) ? seed : chance.mutate(seed.subarray(0, 8_192));
  }
  const boundary = chance.pick(['b', '', 'x'.repeat(100), '--']);
  const headers = [
    ...chance.some(2, () => `From: ${address(chance)}`),
    ...chance.some(1, () => `To: ${address(chance)}`),
    ...chance.some(
      1,
      () => `Message-ID: ${chance.pick(['<', ''])}${chance.text()}${chance.pick(['>', ''])}`,
    ),
    ...chance.some(1, () => `Chat-Version: ${chance.text()}`),
    ...chance.some(1, () => `Subject: ${address(chance)}`),
    ...chance.some(1, () => `Date: ${chance.text()}`),
    ...chance.some(1, () => `References: ${`<${chance.text(20)}> `.repeat(chance.below(60))}`),
    ...chance.some(
      1,
      () =>
        `Content-Type: ${chance.pick(['multipart/mixed', 'text/plain', 'message/disposition-notification', chance.text()])}; boundary=${boundary}; charset=${chance.text(10)}`,
    ),
    ...chance.some(
      1,
      () =>
        `Content-Transfer-Encoding: ${chance.pick(['base64', 'quoted-printable', '8bit', chance.text(10)])}`,
    ),
    ...chance.some(3, () => `${chance.text(20)}: ${chance.text()}\r\n ${chance.text()}`),
  ];
  const parts = chance.some(
    6,
    () => `--${boundary}\r\nContent-Type: ${chance.text(20)}\r\n\r\n${chance.text(2_000)}\r\n`,
  );
  return Buffer.from(
    `${headers.join('\r\n')}\r\n\r\n${parts.join('')}`,
    chance.oneIn(4) ? 'latin1' : 'utf8',
  );
}
