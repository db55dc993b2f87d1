import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startStage, type Stage, type StageOptions } from './start-stage.ts';

/**
 * What is held against the running service: the two specifications, the faults that the C plugin is
 * known for, and what Dovecot and its plugins expect of an attribute dict.
 */
export const SOURCES = ['webpush-spec', 'coi-server-spec', 'c-plugin', 'dovecot'] as const;
export type Source = (typeof SOURCES)[number];

/** The key words of BCP 14; `rule` for what is stated without one. */
export type Level =
  'MUST' | 'MUST NOT' | 'REQUIRED' | 'SHOULD' | 'SHOULD NOT' | 'RECOMMENDED' | 'MAY' | 'rule';

/** How a sentence is met or, where it cannot or shall not be met to the letter, what happens instead. */
export type Met = string | { instead: string };

export interface Sentence {
  source: Source;
  section: string;
  level: Level;
  text: string;
  met: Met;
  /** Base name of the file with the test. */
  file: string;
}

export type RegisterSentence = (
  level: Level,
  text: string,
  met: Met,
  check: () => Promise<void>,
) => void;

export interface Conformance {
  /** The stage that the tests of one file share; there only while they run. */
  stage: () => Stage;
  section: (title: string, define: (sentence: RegisterSentence) => void) => void;
}

let collected: Sentence[] | undefined;

/**
 * One file of the conformance suite: registers a test for each sentence, named after it, and starts
 * a stage for them. While {@link collectSentences} runs, only the sentences are noted.
 */
export function conformance(
  fileUrl: string,
  source: Source,
  options: StageOptions,
  define: (conformance: Conformance) => void,
): void {
  const file = basename(fileUrl);
  if (collected !== undefined) {
    const noted = collected;
    const stage = (): never => {
      throw new Error('there is no stage while sentences are collected');
    };
    define({
      stage,
      section: (section, defineSection) =>
        defineSection((level, text, met) =>
          noted.push({ source, section, level, text, met, file }),
        ),
    });
    return;
  }
  describe(source, () => {
    let stage: Stage;
    before(async () => {
      stage = await startStage(options);
    });
    after(() => stage.close());
    define({
      stage: () => stage,
      section: (section, defineSection) =>
        describe(section, () =>
          defineSection((level, text, _met, check) => it(testName({ level, text }), check)),
        ),
    });
  });
}

/** `MUST The server MUST advertise …` */
export const testName = ({ level, text }: Pick<Sentence, 'level' | 'text'>): string =>
  level === 'rule' ? text : `${level} ${text}`;

/** Where the suite is. */
export const SUITE_DIR = new URL('../e2e/conformance/', import.meta.url);

export const suiteFiles = (): string[] =>
  readdirSync(SUITE_DIR)
    .filter((name) => name.endsWith('.test.ts'))
    .sort();

/** Every sentence that the suite has a test for, without running any. Once a process. */
export async function collectSentences(): Promise<Sentence[]> {
  collected = [];
  for (const name of suiteFiles()) await import(new URL(name, SUITE_DIR).href);
  const sentences = collected;
  collected = undefined;
  const names = sentences.map((sentence) => `${sentence.file}: ${testName(sentence)}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`a sentence is registered twice: ${twice}`);
  return sentences;
}
