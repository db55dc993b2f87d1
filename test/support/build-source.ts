import { globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { makeTempDir, type TempDir } from '../stores/make-temp-dir.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What the package has beside its code. */
const BESIDE = ['node_modules', 'web', 'docs'];

/**
 * Files of this checkout (`src/errors.ts`) as `npm run build` makes them, in a directory of their
 * own, without the wait for all the rest.
 */
export function buildSource(patterns: readonly string[]): TempDir {
  const directory = makeTempDir();
  const config = ts.parseConfigFileTextToJson(
    'tsconfig.build.json',
    readFileSync(join(ROOT, 'tsconfig.build.json'), 'utf8'),
  );
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, ROOT);
  for (const file of globSync([...patterns], { cwd: ROOT })) {
    const target = join(directory.path, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    const { outputText } = ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), {
      // It sees no package.json, and would take everything for CommonJS.
      compilerOptions: { ...options, module: ts.ModuleKind.ESNext, sourceMap: false },
      fileName: join(ROOT, file),
    });
    writeFileSync(target, outputText);
  }
  writeFileSync(join(directory.path, 'package.json'), '{"type":"module"}');
  for (const name of BESIDE) symlinkSync(join(ROOT, name), join(directory.path, name));
  return directory;
}
