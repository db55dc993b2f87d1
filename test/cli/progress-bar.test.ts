import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createProgressBar } from '../../src/cli/progress-bar.ts';

const record = (isTTY: boolean) => {
  const written: string[] = [];
  const write = (text: string): boolean => {
    written.push(text);
    return true;
  };
  return { written, stream: { isTTY, write } as never };
};

it('a progress bar fills up on a terminal and leaves a clean line', () => {
  const { written, stream } = record(true);
  const bar = createProgressBar(stream, 3);
  for (let done = 0; done < 3; done++) bar.tick();
  bar.end();
  assert.equal(written[0], `\r${'░'.repeat(30)} 0/3`);
  assert.equal(written[1], `\r${'█'.repeat(10)}${'░'.repeat(20)} 1/3`);
  assert.equal(written[3], `\r${'█'.repeat(30)} 3/3`);
  assert.equal(written[4], '\r\u001b[K');
});

it('a progress bar is silent on anything else', () => {
  const { written, stream } = record(false);
  const bar = createProgressBar(stream, 1);
  bar.tick();
  bar.end();
  assert.deepEqual(written, []);
});
