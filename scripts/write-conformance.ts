// Writes docs/conformance.md: runs the conformance suite against a real Dovecot of each version and
// notes which tests pass. Ends with 1 when one does not, or when a version is not here.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from 'node:test';
import { format } from 'prettier';
import { collectSentences, SUITE_DIR, suiteFiles } from '../test/support/conformance.ts';
import { dovecotVersions } from '../test/support/dovecot-versions.ts';
import { renderConformance, resultKey } from '../test/support/render-conformance.ts';

const AT_A_TIME = 2;

for (const { skip } of dovecotVersions) {
  if (skip === false) continue;
  console.error(`cannot tell: ${skip}`);
  process.exit(1);
}

const passed = new Set<string>();
const files = suiteFiles();
await Promise.all(Array.from({ length: AT_A_TIME }, runFiles));

const sentences = await collectSentences();
const page = await format(renderConformance(sentences, passed), { parser: 'markdown' });
mkdirSync('docs', { recursive: true });
writeFileSync('docs/conformance.md', page);
for (const sentence of sentences) {
  for (const { version } of dovecotVersions) {
    const key = resultKey(sentence, version);
    if (passed.has(key)) continue;
    console.error(`not met: ${key}`);
    process.exitCode = 1;
  }
}

/** The part of node:test's events that is looked at. */
interface TestReport {
  name: string;
  nesting: number;
  skip?: unknown;
  todo?: unknown;
  details?: { type?: string };
}

/** One file after another, so that each result belongs to the file that is running. */
async function runFiles(): Promise<void> {
  for (let name = files.shift(); name !== undefined; name = files.shift()) {
    const path = fileURLToPath(new URL(name, SUITE_DIR));
    // The describe of a Dovecot; node:test reports in the order of definition.
    let dovecot = '';
    for await (const event of run({ files: [path] })) {
      const { type, data } = event as { type: string; data: TestReport };
      if (type === 'test:start' && data.nesting === 0) dovecot = data.name;
      if (type !== 'test:pass' || data.details?.type === 'suite') continue;
      if (data.skip !== undefined || data.todo !== undefined) continue;
      passed.add(`${name}: ${dovecot}: ${data.name}`);
    }
  }
}
