import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { UnavailableError } from '../../src/errors.ts';
import {
  AnnotationLimitError,
  OWN_SCOPE,
  PLUGIN_ROOM,
  type AnnotationLimits,
  type Usage,
} from '../../src/stores/annotation-limits.ts';
import { PAGE_ENTRIES, PAGE_OCTETS, type Change, type Store } from '../../src/stores/store.ts';
import { createTeardown } from '../support/create-teardown.ts';
import type { StoreFixture } from './store-contract.ts';

export const LIMITS: AnnotationLimits = {
  own: { entries: 1_000, octets: 1_000_000 },
  shared: { entries: 5, octets: 200 },
};

const set = (key: string, value: string | Buffer = ''): Change => ({
  op: 'set',
  key,
  value: Buffer.from(value),
});
const unset = (key: string): Change => ({ op: 'unset', key });

/** What every kind of store must do about much, and about too much. */
export function testAnnotationContract(
  kind: string,
  open: (limits: AnnotationLimits) => Promise<StoreFixture>,
): void {
  describe(`annotations in a store of kind ${kind}`, () => {
    let store: Store;
    let serial = 0;
    const newUser = (): string => `annotator${++serial}@example.org`;
    const teardown = createTeardown();
    before(async () => {
      const fixture = await open(LIMITS);
      store = fixture.store;
      teardown.defer(() => fixture.dispose());
      teardown.defer(() => store.close());
    });

    it('come in pages, each of them once, and without values where none are asked for', async () => {
      const user = newUser();
      const wanted = new Map<string, string>();
      for (let n = 0; n < 950; n++) wanted.set(`priv/${n}/é*[?]\\`, 'x'.repeat(n));
      await store.commit(
        user,
        [...wanted].map(([key, value]) => set(key, value)),
      );
      await store.commit(user, [set('coi/config/enabled', 'yes')]);
      for (const keysOnly of [false, true]) {
        const pages = await collect(store.pages(user, 'priv/', { keysOnly }));
        assert(pages.length > 1 || kind === 'memory' || keysOnly);
        assert(pages.every((page) => page.length <= PAGE_ENTRIES || kind === 'redis'));
        const found = pages.flat().map(({ key, value }) => [key, value.toString()] as const);
        assert.equal(found.length, wanted.size);
        const expected = keysOnly ? [...wanted.keys()].map((key) => [key, '']) : [...wanted];
        assert.deepEqual(new Map(found), new Map(expected as [string, string][]));
      }
    });

    it('come in pages of few octets, whatever the size of the values', async () => {
      const user = newUser();
      const value = Buffer.alloc(30_000, 'v');
      await store.commit(
        user,
        Array.from({ length: 30 }, (_, n) => set(`priv/${n}`, value)),
      );
      const pages = await collect(store.pages(user, 'priv/'));
      assert.equal(pages.flat().length, 30);
      const heaviest = Math.max(...pages.map((page) => page.length * value.length));
      // Redis gives a bucket of its table at a time, and two while it grows.
      const beyond = { memory: 30, redis: 10 }[kind] ?? 1;
      assert(heaviest <= PAGE_OCTETS + beyond * value.length, `${heaviest} octets`);
    });

    for (const prefix of [
      'priv/a',
      'priv/a*',
      'priv/[b]',
      'priv/?',
      'priv/\\',
      'shared/',
      '',
      'no',
    ])
      it(`come in pages by the exact prefix ${JSON.stringify(prefix)}`, async () => {
        const user = newUser();
        const keys = ['a', 'ab', 'a*', 'a*b', '[b]', 'b', '?', '\\', '\\x', 'a\0'];
        await store.commit(
          user,
          [...keys.map((key) => `priv/${key}`), 'shared/x', 'own'].map((key) => set(key)),
        );
        const paged = (await collect(store.pages(user, prefix))).flat().map(({ key }) => key);
        const listed = (await store.list(user, prefix)).map(({ key }) => key);
        assert.deepEqual(paged.toSorted(), listed.toSorted());
      });

    it('that are removed while they are read are there or not, and the others are', async () => {
      const user = newUser();
      await store.commit(
        user,
        Array.from({ length: 900 }, (_, n) => set(`priv/${n}`, 'v'.repeat(900))),
      );
      const seen = new Set<string>();
      for await (const page of store.pages(user, 'priv/')) {
        for (const { key } of page) seen.add(key);
        await store.commit(user, [unset('priv/10'), unset('priv/899')]);
      }
      assert(seen.size >= 898);
    });

    it('are counted as they are, over any sequence of commits', async () => {
      const key = fc.constantFrom(
        'priv/a',
        'priv/é',
        'shared/1/a',
        'shared/2',
        'shared/2/a',
        'own',
      );
      const change: fc.Arbitrary<Change> = fc.oneof(
        fc.record({
          op: fc.constant('set' as const),
          key,
          value: fc
            .oneof(fc.constantFrom('0', '9', '-1', 'x'), fc.string({ maxLength: 90 }))
            .map((text) => Buffer.from(text)),
        }),
        fc.record({ op: fc.constant('unset' as const), key }),
        fc.record({ op: fc.constant('increment' as const), key, by: fc.integer() }),
      );
      const commits = fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 10 });
      await fc.assert(
        fc.asyncProperty(commits, async (list) => {
          const user = newUser();
          for (const changes of list) await store.commit(user, changes).catch(() => undefined);
          const stored = await store.list(user, '');
          for (const scope of [OWN_SCOPE, 'shared/1', 'shared/2']) {
            const counted = stored.filter(
              (entry) => entry.key === scope || entry.key.startsWith(`${scope}/`),
            );
            const usage = await store.usage(user, scope);
            assert.deepEqual(usage, count(counted));
            if (scope !== OWN_SCOPE) assert(usage.octets <= LIMITS.shared.octets);
          }
        }),
        { numRuns: 60 },
      );
    });

    it('beyond a number are refused, with nothing of their commit stored', async () => {
      const user = newUser();
      await store.commit(
        user,
        Array.from({ length: LIMITS.own.entries }, (_, n) => set(`priv/${n}`)),
      );
      const more = [set('own', '1'), set('priv/0', 'changed'), set('priv/more')];
      await assert.rejects(store.commit(user, more), (error) => {
        assert(error instanceof AnnotationLimitError);
        assert.match(
          error.message,
          /would be 1001 entries with .* 1000 and .*metadata\.entry_limit/,
        );
        return true;
      });
      assert.equal(await store.get(user, 'own'), undefined);
      assert.equal((await store.get(user, 'priv/0'))?.toString(), '');
      // What does not grow is no more than there was.
      await store.commit(user, [unset('priv/0'), set('priv/more')]);
      await store.commit(user, [set('own', '1')]);
      await store.commit(newUser(), [set('priv/other')]);
      assert.equal((await store.usage(user, OWN_SCOPE)).entries, LIMITS.own.entries);
    });

    it('beyond a size are refused, and accepted again once there is room', async () => {
      const user = newUser();
      const half = Buffer.alloc(LIMITS.own.octets / 2);
      await store.commit(user, [set('priv/1', half)]);
      await assert.rejects(store.commit(user, [set('priv/2', half)]), AnnotationLimitError);
      await store.commit(user, [unset('priv/1'), set('priv/2', half)]);
      await store.commit(user, [unset('priv/2')]);
      assert.deepEqual(await store.usage(user, OWN_SCOPE), { entries: 0, octets: 0 });
    });

    it('that are shared are bounded for each mailbox', async () => {
      const keys = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `shared/1/${name}`);
      const all = keys.map((key) => set(key, 'x'));
      await assert.rejects(store.commit('', all), /mailbox 1 .*metadata\.shared_entry_limit/);
      await store.commit('', all.slice(0, 5));
      await assert.rejects(store.commit('', [set(keys[5]!, 'x')]), AnnotationLimitError);
      await store.commit('', [set('shared/2/f', 'x')]);
    });

    it('that are shared leave room for the keys of mail_crypt, which no client writes', async () => {
      const of = (name: string): string => `shared/9/vendor/vendor.dovecot/pvt/${name}`;
      const full = ['a', 'b', 'c', 'd', 'e'].map((name) => set(`shared/9/${name}`, 'x'));
      await store.commit('', full);
      for (const clients of ['server/vendor/vendor.example/f', 'server/f', 'server/vendor/f'])
        await assert.rejects(store.commit('', [set(of(clients))]), AnnotationLimitError, clients);
      const active = set(of('crypt/active'), 'a'.repeat(LIMITS.shared.octets));
      await assert.rejects(store.commit('', [active, set('shared/9/f')]), AnnotationLimitError);
      await store.commit('', [active, set(of('crypt/pubkeys/a'), 'x')]);
      await store.commit('', [set(of('server/vendor/vendor.dovecot/pvt/crypt/active'), 'x')]);
      const { entries } = PLUGIN_ROOM;
      const many = Array.from({ length: entries }, (_, n) => set(of(`crypt/pubkeys/${n}`)));
      await assert.rejects(store.commit('', many), AnnotationLimitError);
      await store.commit('', [unset('shared/9/a')]);
      await assert.rejects(store.commit('', [set('shared/9/a')]), AnnotationLimitError);
    });

    it('beyond a limit do no harm to the commits beside them', async () => {
      const [greedy, honest] = [newUser(), newUser()];
      const results = await Promise.allSettled(
        Array.from({ length: 60 }, (_, n) =>
          n % 2 === 0
            ? store.commit(greedy, [set(`priv/${n}`, Buffer.alloc(LIMITS.own.octets))])
            : store.commit(honest, [set(`priv/${n}`, 'x')]),
        ),
      );
      assert(results.every(({ status }, n) => (status === 'rejected') === (n % 2 === 0)));
      assert.equal((await store.usage(honest, OWN_SCOPE)).entries, 30);
      assert.equal((await store.usage(greedy, OWN_SCOPE)).entries, 0);
    });

    it('of a closed store are refused', async () => {
      const fixture = await open(LIMITS);
      await fixture.store.close();
      await assert.rejects(collect(fixture.store.pages('u', '')), UnavailableError);
      await assert.rejects(fixture.store.usage('u', OWN_SCOPE), UnavailableError);
      await fixture.dispose();
    });
  });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const count = (entries: readonly { key: string; value: Buffer }[]): Usage => ({
  entries: entries.length,
  octets: entries.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + value.length, 0),
});
