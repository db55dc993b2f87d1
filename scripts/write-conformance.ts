// Writes docs/conformance.md: runs the conformance suite against a real Dovecot and notes which
// tests pass. Ends with 1 when one does not.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from 'node:test';
import { format } from 'prettier';
import { collectSentences, SUITE_DIR, suiteFiles } from '../test/support/conformance.ts';
import { renderConformance, resultKey } from '../test/support/render-conformance.ts';

const AT_A_TIME = 2;

const passed = new Set<string>();
const files = suiteFiles();
await Promise.all(Array.from({ length: AT_A_TIME }, runFiles));

const sentences = await collectSentences();
const page = await format(renderConformance(sentences, passed), { parser: 'markdown' });
mkdirSync('docs', { recursive: true });
writeFileSync('docs/conformance.md', page);
for (const sentence of sentences.filter((one) => !passed.has(resultKey(one)))) {
  console.error(`not met: ${resultKey(sentence)}`);
  process.exitCode = 1;
}

/** The part of node:test's events that is looked at. */
interface TestReport {
  name: string;
  skip?: unknown;
  todo?: unknown;
  details?: { type?: string };
}

/** One file after another, so that each result belongs to the file that is running. */
async function runFiles(): Promise<void> {
  for (let name = files.shift(); name !== undefined; name = files.shift()) {
    const path = fileURLToPath(new URL(name, SUITE_DIR));
    for await (const event of run({ files: [path] })) {
      const { type, data } = event as { type: string; data: TestReport };
      if (type !== 'test:pass' || data.details?.type === 'suite') continue;
      if (data.skip !== undefined || data.todo !== undefined) continue;
      passed.add(`${name}: ${data.name}`);
    }
  }
}
