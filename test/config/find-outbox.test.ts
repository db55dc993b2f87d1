import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findOutbox } from '../../src/config/find-outbox.ts';
import { readConfig } from '../../src/config/load-config.ts';

const USUAL = '/var/lib/coi-sidecar/outbox.db';

function place(options: { store?: string; outbox?: string }, files: readonly string[] = []) {
  const config = readConfig(
    JSON.stringify({
      http: { token: 'sixteen letters.' },
      doveadm: { api_key: 'key' },
      ...(options.store !== undefined && { store: { url: options.store } }),
      ...(options.outbox !== undefined && { outbox: { path: options.outbox } }),
    }),
  );
  return findOutbox(config, (path) => files.includes(path));
}

describe('where the outbox is', () => {
  for (const [store, expected] of [
    [undefined, USUAL],
    ['sqlite:/srv/coi/state.db', '/srv/coi/outbox.db'],
    ['sqlite:///srv/coi/state.db', '/srv/coi/outbox.db'],
    ['redis://127.0.0.1', USUAL],
  ] as const) {
    it(`store.url ${store ?? 'not given'}: ${expected}`, () => {
      assert.deepEqual(place({ ...(store !== undefined && { store }) }), { path: expected });
    });
  }

  it('outbox.path has the last word, whatever lies elsewhere', () => {
    const options = { store: 'sqlite:/srv/coi/state.db', outbox: '/srv/pushes.db' };
    assert.deepEqual(place(options, [USUAL]), { path: '/srv/pushes.db' });
  });

  it('one that was begun before it followed store.url goes on, and that is said', () => {
    const { path, note } = place({ store: 'sqlite:/srv/coi/state.db' }, [USUAL]);
    assert.equal(path, USUAL);
    assert.match(
      note ?? '',
      /^the outbox stays at \/var\/lib\/.* move it .* to \/srv\/coi, or set/,
    );
  });

  it('once it was moved, or begun anew beside the store, the other is nothing to it', () => {
    const files = [USUAL, '/srv/coi/outbox.db'];
    assert.deepEqual(place({ store: 'sqlite:/srv/coi/state.db' }, files), {
      path: '/srv/coi/outbox.db',
    });
  });

  it('may not be the database itself', () => {
    assert.throws(
      () => place({ store: 'sqlite:/srv/coi/outbox.db' }),
      /outbox\.path: must be another/,
    );
  });
});
