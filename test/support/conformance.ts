import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { before, describe, it } from 'node:test';
import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';
import { createTeardown } from './create-teardown.ts';
import { dovecotVersions } from './dovecot-versions.ts';
import { startStage, type Stage, type StageOptions } from './start-stage.ts';

/**
 * What is held against the running service: the two specifications, what clients are told to expect
 * of a server, the options in the C plugin's manual, the faults that it is known for, and what Dovecot
 * and its plugins expect of an attribute dict.
 */
export type Source = keyof typeof SECTIONS;

/** The sections of each source that have sentences, in its order. */
export const SECTIONS = {
  'webpush-spec': [
    'Required Standards',
    'Scope of METADATA Support',
    'Capability',
    'VAPID Key',
    'Subscribe',
    'Sending a Validation Push Message',
    'Validating A Push Subscription',
    'Unsubscribe',
    'List Existing Subscriptions',
    'Push Notification Payload',
    'Payload Data Format',
    'Push Message Encryption',
    'Header Signing',
    'Push Message Example',
    'Push Service Response Codes',
    'Security Considerations',
  ],
  'coi-server-spec': [
    'Required Standards',
    'Scope of METADATA Support',
    'Recommended Standards',
    'COI Capability',
    'Getting COI Namespace Configuration',
    'Configure COI Usage',
    'Indirectly Disabling and Enabling COI',
    'Configure Message Filtering',
    'Configure Message Filtering, IMAP',
  ],
  'coi-client-spec': ['Blocking Contacts', 'Folders'],
  'plugin-manual': ['Webpush configuration', 'COI configuration'],
  'c-plugin': ['Faults of the C plugin'],
  dovecot: ['doveadm mailbox metadata', 'The attribute dict', 'mail_crypt'],
} as const;

/** The key words of BCP 14; `rule` for what is stated without one. */
export type Level =
  'MUST' | 'MUST NOT' | 'REQUIRED' | 'SHOULD' | 'SHOULD NOT' | 'RECOMMENDED' | 'MAY' | 'rule';

/** How a sentence is met or, where it cannot or shall not be met to the letter, what happens instead. */
export type Met = string | { instead: string };

/** One for all, or for each version of Dovecot where they differ. */
export type MetByVersion = Met | Record<DovecotVersion, Met>;

export interface Sentence {
  source: Source;
  section: string;
  level: Level;
  text: string;
  met: MetByVersion;
  /** Base name of the file with the test. */
  file: string;
}

export type RegisterSentence = (
  level: Level,
  text: string,
  met: MetByVersion,
  check: () => Promise<void>,
) => void;

export interface Conformance {
  /** The stage that the tests of one file and one version share; there only while they run. */
  stage: () => Stage;
  section: (title: string, define: (sentence: RegisterSentence) => void) => void;
}

let collected: Sentence[] | undefined;

/** What the describe of a version is called; write-conformance.ts tells the results apart by it. */
export const versionTitle = (version: DovecotVersion): string => `Dovecot ${version}`;

/**
 * One file of the conformance suite: registers a test for each sentence, named after it, for each
 * version of Dovecot, and starts a stage for those of one version. While {@link collectSentences}
 * runs, only the sentences are noted.
 */
export function conformance(
  fileUrl: string,
  source: Source,
  options: StageOptions | ((version: DovecotVersion) => StageOptions),
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
  for (const { version, skip } of dovecotVersions) {
    describe(versionTitle(version), { skip }, () => {
      let stage: Stage;
      const teardown = createTeardown();
      before(async () => {
        const given = typeof options === 'function' ? options(version) : options;
        stage = await startStage({ version, ...given });
        teardown.defer(() => stage.close());
      });
      define({
        stage: () => stage,
        section: (section, defineSection) =>
          void describe(`${source}: ${section}`, () => {
            defineSection((level, text, _met, check) => {
              void it(testName({ level, text }), check);
            });
          }),
      });
    });
  }
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

/**
 * Every sentence that the suite has a test for, in the order of the sources, without running any.
 * Once a process.
 */
export async function collectSentences(): Promise<Sentence[]> {
  collected = [];
  for (const name of suiteFiles()) await import(new URL(name, SUITE_DIR).href);
  const sentences = collected;
  collected = undefined;
  const names = sentences.map((sentence) => `${sentence.file}: ${testName(sentence)}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`a sentence is registered twice: ${twice}`);
  const order = Object.entries(SECTIONS).flatMap(([source, titles]) =>
    titles.map((title) => `${source}: ${title}`),
  );
  const place = ({ source, section }: Sentence): number => order.indexOf(`${source}: ${section}`);
  const astray = sentences.find((sentence) => place(sentence) < 0);
  if (astray !== undefined) throw new Error(`${astray.source} has no section "${astray.section}"`);
  return sentences.sort((one, other) => place(one) - place(other));
}
