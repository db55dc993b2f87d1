import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { format } from 'prettier';
import { collectSentences, suiteFiles, type Sentence } from '../support/conformance.ts';
import { renderConformance, resultKey, VERSIONS } from '../support/render-conformance.ts';

describe('docs/conformance.md', () => {
  let sentences: Sentence[];
  before(async () => {
    sentences = await collectSentences();
  });

  it('lists the sentences that the suite has tests for, all of them passed', async () => {
    const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
    const all = new Set(VERSIONS.flatMap((version) => keysOf(sentences, version)));
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
    const shown = (...passed: string[]): string[] =>
      cellsOf(renderConformance(all, new Set(passed)));
    const [of23, of24] = [keysOf(all, '2.3'), keysOf(all, '2.4')];
    assert.deepEqual(shown(...of23, ...of24), ['MUST one yes', 'MUST two otherwise', ' three yes']);
    assert.deepEqual(shown(), ['MUST one **no**', 'MUST two **no**', ' three **no**']);
    assert.equal(shown(...of23)[0], 'MUST one 2.3: yes; 2.4: **no**');
    // A test of that name in another file is another test.
    const elsewhere = keysOf([{ ...first, file: 'other.test.ts' }], '2.3');
    assert.equal(shown(...elsewhere)[0], 'MUST one **no**');
  });

  it('says where the versions of Dovecot differ, and what each does', () => {
    const met = { '2.3': 'as asked', '2.4': { instead: 'something' } };
    const one = sentence({ text: 'one', met });
    const passed = VERSIONS.flatMap((version) => keysOf([one], version));
    const page = renderConformance([one], new Set(passed));
    assert.deepEqual(cellsOf(page), ['MUST one 2.3: yes; 2.4: otherwise']);
    assert.ok(page.includes('| 2.3: as asked; 2.4: Instead: something |'));
  });
});

const keysOf = (sentences: Sentence[], version: (typeof VERSIONS)[number]): string[] =>
  sentences.map((one) => resultKey(one, version));

/** Level, text and state of each sentence. */
const cellsOf = (page: string): string[] =>
  page
    .split('\n')
    .filter((line) => line.startsWith('| Subscribe |'))
    .map((line) => line.split(' | ').slice(1, 4).join(' '));

const sentence = (entries: Partial<Sentence>): Sentence => ({
  source: 'webpush-spec',
  section: 'Subscribe',
  level: 'MUST',
  text: '',
  met: 'somehow',
  file: 'some.test.ts',
  ...entries,
});
