import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { InvalidInputError, UnavailableError } from '../../src/errors.ts';
import { createLogger } from '../../src/logging.ts';
import { openStore } from '../../src/stores/open-store.ts';
import { makeTempDir } from './make-temp-dir.ts';

const log = createLogger('silent');
const directory = makeTempDir();
after(directory.remove);

describe('openStore', { concurrency: true }, () => {
  for (const [name, url] of [
    ['sqlite:/path', `sqlite:${directory.path}/a.db`],
    ['sqlite:///path', `sqlite://${directory.path}/b.db`],
    ['a path with odd letters', `SQLite:${directory.path}/50% ä?#.db`],
  ] as const)
    it(`opens ${name}`, async () => {
      const store = await openStore(url, { log });
      assert.equal(store.kind, 'sqlite');
      await store.check();
      await store.close();
    });

  for (const url of ['sqlite:', 'sqlite:state.db', 'sqlite://state.db', 'sqlite::memory:'])
    it(`refuses ${url}: the path must be absolute`, async () => {
      await assert.rejects(openStore(url, { log }), {
        name: 'InvalidInputError',
        message: /needs an absolute path/,
      });
    });

  for (const url of ['', 'state.db', '/var/state.db', 'mysql://root:hunter2@db', 'constructor:x'])
    it(`refuses "${url}" and names the kinds that there are, but no password`, async () => {
      await assert.rejects(openStore(url, { log }), (error) => {
        assert(error instanceof InvalidInputError);
        assert.match(error.message, /sqlite:\/path\/to\/state\.db, redis:\/\/host or rediss:/);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      });
    });

  for (const scheme of ['redis', 'rediss'])
    it(`takes ${scheme}: to a Redis server`, async () => {
      await assert.rejects(openStore(`${scheme}://127.0.0.1:1`, { log }), (error) => {
        assert(error instanceof UnavailableError);
        assert.match(error.message, /Redis is not available: .*ECONNREFUSED/);
        return true;
      });
    });
});
