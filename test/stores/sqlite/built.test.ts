import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, it } from 'node:test';
import ts from 'typescript';
import { makeTempDir } from '../make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);

/** `src/stores` as `npm run build` makes it, without the wait for all the rest. */
function build(): void {
  const source = fileURLToPath(new URL('../../../src/', import.meta.url));
  const config = ts.parseConfigFileTextToJson(
    'tsconfig.build.json',
    readFileSync(join(source, '../tsconfig.build.json'), 'utf8'),
  );
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, join(source, '..'));
  const files = ['errors.ts', 'clock.ts', ...globSync('stores/**/*.ts', { cwd: source })];
  for (const file of files) {
    const target = join(directory.path, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    const { outputText } = ts.transpileModule(readFileSync(join(source, file), 'utf8'), {
      // It sees no package.json, and would take everything for CommonJS.
      compilerOptions: { ...options, module: ts.ModuleKind.ESNext, sourceMap: false },
      fileName: join(source, file),
    });
    writeFileSync(target, outputText);
  }
  writeFileSync(join(directory.path, 'package.json'), '{"type":"module"}');
}

it('the writer thread starts from a build too', () => {
  build();
  const script = `
    const { openSqliteStore } = await import('./stores/sqlite/sqlite-store.js');
    const store = await openSqliteStore(process.cwd() + '/state.db');
    await store.commit('u', [{ op: 'set', key: 'a', value: Buffer.from('built') }]);
    console.log(String(await store.get('u', 'a')));
    await store.close();`;
  const options = { cwd: directory.path, encoding: 'utf8', timeout: 30_000 } as const;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
  assert.equal(output, 'built\n');
});
