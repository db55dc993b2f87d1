import { SECTIONS, testName, type Sentence, type Source } from './conformance.ts';

/** What a test's result stands under: its file and its name. */
export const resultKey = (sentence: Pick<Sentence, 'file' | 'level' | 'text'>): string =>
  `${sentence.file}: ${testName(sentence)}`;

const TITLES: Record<Source, string> = {
  'webpush-spec': 'IMAP WebPush Extension v1.0',
  'coi-server-spec': 'COI Server Specification v1.0',
  'c-plugin': 'Faults of the C plugin that do not occur',
  dovecot: 'What Dovecot expects of its attribute dict',
};

type State = 'yes' | 'otherwise' | '**no**';

/**
 * docs/conformance.md. A sentence counts as met, or as answered otherwise, only if its test is among
 * those that passed.
 *
 * @param passed {@link resultKey} of the tests that passed
 */
export function renderConformance(
  sentences: readonly Sentence[],
  passed: ReadonlySet<string>,
): string {
  const stateOf = (sentence: Sentence): State => {
    if (!passed.has(resultKey(sentence))) return '**no**';
    return typeof sentence.met === 'string' ? 'yes' : 'otherwise';
  };
  const sources = Object.keys(SECTIONS) as Source[];
  const bySource = sources.map((source) => ({
    title: TITLES[source],
    all: sentences.filter((sentence) => sentence.source === source),
  }));
  return [
    ...INTRODUCTION,
    '| | sentences | met | otherwise | not met |',
    '| --- | --: | --: | --: | --: |',
    ...bySource.map(({ title, all }) => {
      const count = (state: State): number =>
        all.filter((sentence) => stateOf(sentence) === state).length;
      const counts = [all.length, count('yes'), count('otherwise'), count('**no**')];
      return row([title, ...counts.map(String)]);
    }),
    ...bySource.flatMap(({ title, all }) => [
      '',
      `## ${title}`,
      '',
      '| section | level | sentence | met | how, or what happens instead | test |',
      '| --- | --- | --- | --- | --- | --- |',
      ...all.map((sentence) =>
        row([
          sentence.section,
          sentence.level === 'rule' ? '' : sentence.level,
          sentence.text,
          stateOf(sentence),
          describe(sentence),
          sentence.file.replace('.test.ts', ''),
        ]),
      ),
    ]),
    '',
  ].join('\n');
}

const INTRODUCTION = [
  '# Conformance',
  '',
  'Every sentence of the two specifications that asks something of the server has a test in',
  '`test/e2e/conformance`, named after it and run by an IMAP client through a stock Dovecot 2.3 with',
  '`metadata.source: dict`. This page is made of those tests and their results by',
  '`node scripts/write-conformance.ts`: a sentence whose test did not pass is not met, whatever this',
  'project’s authors believe. Sentences without a key word of BCP 14 have no level.',
  '',
  '“Otherwise” stands where a stock Dovecot cannot do what a sentence asks, or where it is only',
  'allowed or recommended and something else is done; the test then shows what that is.',
  '',
];

const describe = ({ met }: Sentence): string =>
  typeof met === 'string' ? met : `Instead: ${met.instead}`;

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`).replaceAll('<', '&lt;')).join(' | ')} |`;
