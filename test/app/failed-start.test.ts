import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { configIn } from '../support/config-in.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { teardownOf } from '../support/create-teardown.ts';

const source = (file: string): string =>
  JSON.stringify(new URL(`../../src/${file}`, import.meta.url).href);

describe('a start that fails half way', () => {
  it('closes what was opened, so that the process ends', async (test) => {
    const directory = makeTempDir();
    teardownOf(test).defer(directory.remove);
    const config = configIn(directory.path);
    const script = `
      const { createApp } = await import(${source('app.ts')});
      const { readConfig } = await import(${source('config/load-config.ts')});
      const { createLogger } = await import(${source('logging.ts')});
      const config = readConfig(${JSON.stringify(JSON.stringify(config))});
      const app = await createApp(config, { log: createLogger('silent') });
      // The doors are open by then.
      app.flows.logs.start = () => { throw new Error('on purpose') };
      await app.start().catch((error) => console.log('failed: ' + error.message));`;
    const options = { timeout: 60_000 };
    const run = promisify(execFile);
    const args = ['--input-type=module', '-e', script];
    const { stdout } = await run(process.execPath, args, options);
    assert.match(stdout, /^failed: on purpose/);
  });
});
