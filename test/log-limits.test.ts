import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, createSayRarely, LineLimits } from '../src/logging.ts';

/** A log whose time the test turns. */
function openLog() {
  let now = 0;
  const due: { at: number; report: () => void }[] = [];
  const lines: Record<string, unknown>[] = [];
  const limits = new LineLimits({
    monotonic: () => now,
    later: (msecs, report) => due.push({ at: now + msecs, report }),
  });
  const write = (line: string): void => void lines.push(JSON.parse(line) as (typeof lines)[number]);
  const log = createLogger('debug', { write }, limits);
  const pass = (msecs: number): void => {
    now += msecs;
    for (const { report } of due.splice(0, due.filter(({ at }) => at <= now).length)) report();
  };
  return { log, lines, pass };
}

const unwritten = (lines: readonly Record<string, unknown>[]): number =>
  lines.reduce((sum, line) => sum + Number(line['unwritten'] ?? 0), 0);

describe('lines of the log that a peer can cause', () => {
  it('are written some times, and then counted; none is missed', () => {
    const { log, lines, pass } = openLog();
    for (let n = 0; n < 15_000; n++) log.warn({ n }, 'garbage');
    assert(lines.length <= 60, `${lines.length} lines`);
    pass(10_000);
    assert.equal(lines.filter((line) => !('unwritten' in line)).length + unwritten(lines), 15_000);
    const { level, msg } = lines.at(-1)!;
    assert.deepEqual({ level, msg }, { level: 'warn', msg: 'garbage' });
  });

  it('do not hide others, nor what an administrator did', () => {
    const { log, lines } = openLog();
    for (let n = 0; n < 1_000; n++) {
      log.error('garbage');
      log.info({ user: `${n}` }, 'an administrator had a user forgotten');
    }
    log.error({ err: new Error('disk') }, 'something else');
    assert.equal(lines.filter(({ msg }) => msg === 'something else').length, 1);
    assert.equal(lines.filter(({ user }) => user !== undefined).length, 1_000);
  });

  it('are bounded in all, whatever they say and by whatever logger', () => {
    const { log, lines, pass } = openLog();
    const child = log.child({ reqId: 'x' });
    for (let n = 0; n < 100_000; n++) (n % 2 === 0 ? log : child).error(`text ${n}`);
    assert(lines.length <= 2_001, `${lines.length} lines`);
    pass(10_000);
    child.error('again');
    assert.equal(lines.at(-1)!['reqId'], 'x');
  });

  it('say with the next one how many were not written', () => {
    const { log, lines, pass } = openLog();
    for (let n = 0; n < 60; n++) log.warn('text alone');
    pass(5_000);
    log.warn('text alone');
    log.warn(new Error('a mere error'));
    assert.equal(lines.at(-2)!['unwritten'], 10);
    pass(10_000);
    assert.equal(lines.length, 52);
  });

  it('are all there at debug level', () => {
    const { log, lines } = openLog();
    for (let n = 0; n < 500; n++) log.debug('detail');
    assert.equal(lines.length, 500);
  });
});

describe('createSayRarely', () => {
  it('says the same once in a while, and then how often it was not said', () => {
    let now = 0;
    const sayRarely = createSayRarely(1_000, () => now);
    const said: unknown[] = [];
    const say = (about: string): void => sayRarely(about, (again) => said.push([about, again]));
    for (const about of ['a', 'a', 'b', 'a']) say(about);
    now = 1_000;
    say('a');
    assert.deepEqual(said, [
      ['a', {}],
      ['b', {}],
      ['a', { unwritten: 2 }],
    ]);
  });
});
