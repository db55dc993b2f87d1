import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';
import { SECTIONS, testName, type Met, type Sentence, type Source } from './conformance.ts';

/** The versions that the page speaks of. */
export const VERSIONS: readonly DovecotVersion[] = ['2.3', '2.4'];

/** What a test's result stands under: its file, its Dovecot and its name. */
export const resultKey = (
  sentence: Pick<Sentence, 'file' | 'level' | 'text'>,
  version: DovecotVersion,
): string => `${sentence.file}: Dovecot ${version}: ${testName(sentence)}`;

const TITLES: Record<Source, string> = {
  'webpush-spec': 'IMAP WebPush Extension v1.0',
  'coi-server-spec': 'COI Server Specification v1.0',
  'coi-client-spec': 'COI Client Specification: what it expects of a server',
  'plugin-manual': 'Manual of the C plugin: its options',
  'c-plugin': 'Faults of the C plugin that do not occur',
  dovecot: 'What Dovecot expects of its attribute dict',
};

type State = 'yes' | 'otherwise' | '**no**';

/**
 * docs/conformance.md. A sentence counts as met, or as answered otherwise, by a version only if its
 * test is among those that passed with it.
 *
 * @param passed {@link resultKey} of the tests that passed
 */
export function renderConformance(
  sentences: readonly Sentence[],
  passed: ReadonlySet<string>,
): string {
  const stateOf = (sentence: Sentence, version: DovecotVersion): State => {
    if (!passed.has(resultKey(sentence, version))) return '**no**';
    return typeof metBy(sentence, version) === 'string' ? 'yes' : 'otherwise';
  };
  const sources = Object.keys(SECTIONS) as Source[];
  const bySource = sources.map((source) => ({
    title: TITLES[source],
    all: sentences.filter((sentence) => sentence.source === source),
  }));
  return [
    ...INTRODUCTION,
    '| | Dovecot | sentences | met | otherwise | not met |',
    '| --- | --- | --: | --: | --: | --: |',
    ...bySource.flatMap(({ title, all }) =>
      VERSIONS.map((version) => {
        const count = (state: State): number =>
          all.filter((sentence) => stateOf(sentence, version) === state).length;
        const counts = [all.length, count('yes'), count('otherwise'), count('**no**')];
        return row([title, version, ...counts.map(String)]);
      }),
    ),
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
          byVersion((version) => stateOf(sentence, version)),
          byVersion((version) => describe(metBy(sentence, version))),
          sentence.file.replace('.test.ts', ''),
        ]),
      ),
    ]),
    '',
  ].join('\n');
}

const metBy = ({ met }: Sentence, version: DovecotVersion): Met =>
  typeof met === 'object' && '2.3' in met ? met[version] : met;

/** `yes`, or `2.3: yes; 2.4: otherwise` where the versions differ. */
function byVersion(say: (version: DovecotVersion) => string): string {
  const [said = '', ...others] = VERSIONS.map(say);
  if (others.every((other) => other === said)) return said;
  return VERSIONS.map((version) => `${version}: ${say(version)}`).join('; ');
}

const INTRODUCTION = [
  '# Conformance',
  '',
  'Every sentence of the specifications that asks something of the server has a test in',
  '`test/e2e/conformance`, named after it and run by an IMAP client through a stock Dovecot 2.3 and a',
  'stock Dovecot 2.4 with `metadata.source: dict`. This page is made of those tests and their results',
  'by `node scripts/write-conformance.ts`: a sentence whose test did not pass is not met, whatever',
  'this project’s authors believe. Where the versions differ, both are named. Sentences without a key',
  'word of BCP 14 have no level.',
  '',
  'There is another proposal under the same capability name: draft-gougeon-imap-webpush (revision 03 of',
  'August 2025, an individual Internet-Draft). There a client subscribes with commands of its own,',
  '`GETVAPID`, `WEBPUSH` and `ACKWEBPUSH`; here, as in the IMAP WebPush Extension v1.0, with `SETMETADATA`.',
  'A stock Dovecot answers those three commands with BAD. A client of that draft that looks at',
  '`WEBPUSH` in CAPABILITY alone has to take the BAD for “not this one”; one that also looks for',
  '`COI`, or reads the entry `/private/vendor/vendor.dovecot/webpush/vapid`, can tell before.',
  '',
  '“Otherwise” stands where a stock Dovecot cannot do what a sentence asks, or where it is only',
  'allowed or recommended and something else is done; the test then shows what that is.',
  '',
];

const describe = (met: Met): string => (typeof met === 'string' ? met : `Instead: ${met.instead}`);

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`).replaceAll('<', '&lt;')).join(' | ')} |`;
