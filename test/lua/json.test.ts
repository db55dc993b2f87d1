import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { luaInterpreters } from '../support/lua-interpreters.ts';

const SCRIPT = fileURLToPath(new URL('../../lua/coi.lua', import.meta.url));
const STUB = fileURLToPath(new URL('stub-dovecot.lua', import.meta.url));

interface Message {
  subject: Uint8Array;
  uid?: number;
  date?: number;
}

/** What lua/coi.lua posts for messages, under an interpreter. */
function post(lua: string, messages: Message[]): Buffer[] {
  const input = messages
    .map(
      ({ subject, uid = 1, date = 0 }) => `${Buffer.from(subject).toString('hex')} ${uid} ${date}`,
    )
    .join('\n');
  const output = execFileSync(lua, [STUB, SCRIPT], { input, maxBuffer: 64 * 1024 * 1024 });
  return output
    .toString('latin1')
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'latin1'));
}

const event = (body: Buffer): Record<string, unknown> =>
  (JSON.parse(body.toString('utf8')) as { events: Record<string, unknown>[] }).events[0]!;
for (const { lua, skip } of luaInterpreters) {
  describe(`JSON of lua/coi.lua under ${lua}`, { skip }, () => {
    test('big whole numbers are written out', () => {
      const [body] = post(lua, [
        { subject: Buffer.from('x'), uid: 4_294_967_295, date: 253_402_300_799 },
      ]);
      assert.match(body!.toString('utf8'), /"uid":4294967295,"uidvalidity":4294967295,/);
      assert.match(body!.toString('utf8'), /"date":253402300799,"tz":-720}/);
    });

    test('a message whose date cannot be read has none', () => {
      const [body] = post(lua, [{ subject: Buffer.from('x'), date: -1 }]);
      assert.ok(!('date' in event(body!)) && !('tz' in event(body!)));
    });

    test('any octets come out as JSON, in which what is no character reads as U+FFFD', () => {
      const octet = fc.oneof(
        fc.constantFrom(
          0xc0,
          0xc2,
          0xe0,
          0xed,
          0xef,
          0xf0,
          0xf4,
          0xf5,
          0x80,
          0x9f,
          0xa0,
          0xbf,
          0x22,
          0x5c,
        ),
        fc.integer({ min: 1, max: 255 }),
      );
      const subjects = fc
        .sample(
          fc.oneof(
            fc.uint8Array({ max: 0 }),
            fc
              .array(octet, { minLength: 1, maxLength: 12 })
              .map((octets) => Uint8Array.from(octets)),
            fc
              .string({ unit: 'binary', minLength: 1 })
              .map((text) => Buffer.from(text.replaceAll('\0', ''))),
          ),
          2_000,
        )
        .filter((subject) => subject.some((value) => value !== 0x0a && value !== 0x0d));
      const bodies = post(
        lua,
        subjects.map((subject) => ({ subject })),
      );
      const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
      // How many U+FFFD stand for a broken sequence is a matter of taste.
      const collapse = (text: string): string => text.replaceAll(/\uFFFD+/g, '\uFFFD');
      subjects.forEach((subject, i) => {
        const { subject: got } = (
          JSON.parse(lenient.decode(bodies[i])) as { events: { subject: string }[] }
        ).events[0]!;
        // A header's line breaks are taken out before it is encoded.
        const unfolded = subject.filter((value) => value !== 0x0a && value !== 0x0d);
        assert.equal(
          collapse(got),
          collapse(lenient.decode(unfolded)),
          Buffer.from(subject).toString('hex'),
        );
      });
    });
  });
}
