import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { format } from 'prettier';
import { collectSentences, suiteFiles, type Sentence } from '../support/conformance.ts';
import { renderConformance, resultKey } from '../support/render-conformance.ts';

describe('docs/conformance.md', () => {
  let sentences: Sentence[];
  before(async () => {
    sentences = await collectSentences();
  });

  it('lists the sentences that the suite has tests for, all of them passed', async () => {
    const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
    const all = new Set(sentences.map(resultKey));
    const expected = await format(renderConformance(sentences, all), { parser: 'markdown' });
    assert.ok(page === expected, 'run "node scripts/write-conformance.ts"');
  });

  it('has sentences from every file of the suite', () => {
    const files = new Set(sentences.map(({ file }) => file));
    assert.deepEqual([...files].sort(), suiteFiles());
  });

  it('shows a sentence as not met whose test did not pass', () => {
    const [first, second, third] = [
      sentence({ text: 'one' }),
      sentence({ text: 'two', met: { instead: 'something' } }),
      sentence({ text: 'three', level: 'rule' }),
    ];
    const all = [first, second, third];
    const lines = (passed: Sentence[]): string[] =>
      renderConformance(all, new Set(passed.map(resultKey)))
        .split('\n')
        .filter((line) => line.startsWith('| Subscribe |'))
        .map((line) => line.split(' | ').slice(1, 4).join(' '));
    assert.deepEqual(lines(all), ['MUST one yes', 'MUST two otherwise', ' three yes']);
    assert.deepEqual(lines([]), ['MUST one **no**', 'MUST two **no**', ' three **no**']);
    // A test of that name in another file is another test.
    assert.deepEqual(lines([{ ...first, file: 'other.test.ts' }])[0], 'MUST one **no**');
  });
});

const sentence = (entries: Partial<Sentence>): Sentence => ({
  source: 'webpush-spec',
  section: 'Subscribe',
  level: 'MUST',
  text: '',
  met: 'somehow',
  file: 'some.test.ts',
  ...entries,
});
