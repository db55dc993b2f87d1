import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, it } from 'node:test';
import { buildSource } from '../../support/build-source.ts';

it('the writer thread starts from a build too', () => {
  const directory = buildSource(['src/*.ts', 'src/stores/**/*.ts']);
  after(directory.remove);
  const script = `
    const { openSqliteStore } = await import('./src/stores/sqlite/sqlite-store.js');
    const store = await openSqliteStore(process.cwd() + '/state.db');
    await store.commit('u', [{ op: 'set', key: 'a', value: Buffer.from('built') }]);
    console.log(String(await store.get('u', 'a')));
    await store.close();`;
  const options = { cwd: directory.path, encoding: 'utf8', timeout: 30_000 } as const;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
  assert.equal(output, 'built\n');
});
