import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError, UnavailableError } from '../../src/errors.ts';
import { OvertakenError } from '../../src/stores/overtaken-error.ts';
import {
  MAX_KEY_OCTETS,
  type Change,
  type Expectation,
  type Store,
} from '../../src/stores/store.ts';
import { createTeardown, teardownOf } from '../support/create-teardown.ts';

export interface StoreFixture {
  store: Store;
  dispose: () => Promise<void> | void;
}

const set = (key: string, value: string | Buffer = ''): Change => ({
  op: 'set',
  key,
  value: Buffer.from(value),
});
const unset = (key: string): Change => ({ op: 'unset', key });
const increment = (key: string, by: number): Change => ({ op: 'increment', key, by });
const expect = (key: string, value?: string | Buffer): Expectation => ({
  op: 'expect',
  key,
  value: value === undefined ? undefined : Buffer.from(value),
});

const ODD_KEYS = [
  'priv/0123456789abcdef0123456789abcdef/vendor/vendor.dovecot/coi/config/enabled',
  '',
  ' ',
  '/',
  '//',
  'a\tb',
  'a\nb\r\n',
  'a\0b',
  'a\u0001t',
  'Grüße/日本語/🙂',
  // Composed and decomposed: two keys, for keys are octets.
  'e\u0301',
  '\u00e9',
  '\ufeffbom',
  '\u{10ffff}',
  '%',
  '_',
  "'; DROP TABLE entries; --",
  '*?[a-z]\\',
];

const ODD_VALUES = [
  Buffer.alloc(0),
  Buffer.of(0),
  Buffer.from('\0a\0'),
  Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)),
  Buffer.from('é🙂'),
  Buffer.from([0xc3, 0x28, 0xff, 0xfe]),
  Buffer.from('line\r\nline\n'),
];

/**
 * What every kind of store must do. `open` is called once; the tests keep apart by their users'
 * names.
 */
export function testStoreContract(kind: string, open: () => Promise<StoreFixture>): void {
  describe(`a store of kind ${kind}`, () => {
    let fixture: StoreFixture;
    let store: Store;
    let serial = 0;
    const newUser = (): string => `user${++serial}@example.org`;

    const teardown = createTeardown();
    before(async () => {
      fixture = await open();
      store = fixture.store;
      teardown.defer(() => fixture.dispose());
      teardown.defer(() => store.close());
    });

    it('names its kind', () => {
      assert.equal(store.kind, kind);
    });

    it('keeps what is there when what was removed is scrubbed away', async () => {
      await store.commit('scrubbed', [set('a', '1'), set('b', '2')]);
      await store.commit('scrubbed', [{ op: 'unset', key: 'a' }]);
      await store.scrub();
      const left = await store.list('scrubbed', '');
      assert.deepEqual(
        left.map(({ key }) => key),
        ['b'],
      );
    });

    it('passes its own check', async () => {
      await store.check();
    });

    it('has nothing for a user or a key that it does not know', async () => {
      const user = newUser();
      assert.equal(await store.get(user, 'a'), undefined);
      assert.deepEqual(await store.list(user, ''), []);
      await store.commit(user, [set('a', '1')]);
      assert.equal(await store.get(user, 'A'), undefined);
      assert.equal(await store.get(user.toUpperCase(), 'a'), undefined);
    });

    it('gives every octet back', async () => {
      const user = newUser();
      await store.commit(
        user,
        ODD_VALUES.map((value, index) => set(`v${index}`, value)),
      );
      for (const [index, value] of ODD_VALUES.entries()) {
        const stored = await store.get(user, `v${index}`);
        assert(Buffer.isBuffer(stored));
        assert.deepEqual(stored, value);
      }
    });

    it('takes any text as a key and as a user', async () => {
      for (const user of [newUser(), ...ODD_KEYS.map((text) => `odd ${text}`)]) {
        await store.commit(
          user,
          ODD_KEYS.map((key) => set(key, `value of ${key}`)),
        );
        for (const key of ODD_KEYS)
          assert.equal((await store.get(user, key))?.toString(), `value of ${key}`);
        const listed = await store.list(user, '');
        assert.deepEqual(new Set(listed.map(({ key }) => key)), new Set(ODD_KEYS));
      }
    });

    it('takes keys of 65,536 octets and refuses longer ones', async () => {
      const user = newUser();
      const key = 'é'.repeat(MAX_KEY_OCTETS / 2);
      await store.commit(user, [set(key, 'long')]);
      assert.equal((await store.get(user, key))?.toString(), 'long');
      assert.equal((await store.list(user, key)).length, 1);
      await assert.rejects(store.commit(user, [set('a'), set(`${key}a`)]), InvalidInputError);
      assert.equal(await store.get(user, 'a'), undefined);
    });

    it('refuses keys and users that are not Unicode text', async () => {
      const user = newUser();
      await assert.rejects(store.commit(user, [set('a\ud800')]), InvalidInputError);
      await assert.rejects(store.commit(`${user}\udc00`, [set('a')]), InvalidInputError);
    });

    it('stores values of 1 MiB', async () => {
      const user = newUser();
      const large = Buffer.alloc(1024 * 1024, 'x');
      large[512 * 1024] = 0;
      await store.commit(user, [set('small', 's'), set('large', large)]);
      assert.equal(Buffer.compare((await store.get(user, 'large'))!, large), 0);
      const listed = await store.list(user, 'l');
      assert.equal(listed[0]!.value.length, large.length);
    });

    it('keeps the octets it was given, whatever happens to the buffer afterwards', async () => {
      const user = newUser();
      const value = Buffer.from('before');
      const commit = store.commit(user, [{ op: 'set', key: 'a', value }]);
      value.fill('x');
      await commit;
      assert.equal((await store.get(user, 'a'))?.toString(), 'before');
    });

    describe('list', () => {
      it('orders by the octets of the key', async () => {
        const user = newUser();
        // U+1F600 comes before U+FF5E in UTF-16, after it in UTF-8.
        const keys = ['a', 'B', 'a/b', 'a-b', 'Ä', '\u{1f600}', '\uff5e', 'a/', 'a/a/a', ''];
        await store.commit(
          user,
          keys.map((key) => set(key)),
        );
        const listed = await store.list(user, '');
        const byOctets = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        assert.deepEqual(
          listed.map(({ key }) => key),
          byOctets,
        );
      });

      const keys = [
        'a',
        'a%',
        'a%b',
        'ab',
        'a_',
        'a_b',
        'a\\',
        'a*',
        'A',
        'a\u{10ffff}',
        'a\u{10ffff}\u{10ffff}z',
        'b',
        'a\0',
        'a\u007f',
        'aé',
      ];
      for (const prefix of ['', 'a', 'a%', 'a_', 'a\\', 'a*', 'a\u{10ffff}', 'A', 'a\0', 'aé', 'c'])
        it(`takes the prefix ${JSON.stringify(prefix)} as it is`, async () => {
          const user = newUser();
          await store.commit(
            user,
            keys.map((key) => set(key, key)),
          );
          const listed = await store.list(user, prefix);
          const wanted = keys.filter((key) => key.startsWith(prefix));
          assert.deepEqual(
            listed.map(({ key, value }) => [key, value.toString()]).sort(),
            wanted.map((key) => [key, key]).sort(),
          );
        });

      it('keeps users apart whose names begin alike', async () => {
        const user = newUser();
        await store.commit(user, [set('a')]);
        await store.commit(`${user}x`, [set('ab')]);
        assert.deepEqual(
          (await store.list(user, '')).map(({ key }) => key),
          ['a'],
        );
      });
    });

    describe('commit', () => {
      it('applies changes in their order', async () => {
        const user = newUser();
        await store.commit(user, [set('a', '1'), set('b', '1'), set('c', '1')]);
        const result = await store.commit(user, [
          set('a', '2'),
          unset('a'),
          unset('b'),
          set('b', '3'),
          set('d', '5'),
          increment('d', 2),
          set('e', '1'),
          set('e', '2'),
          unset('unknown'),
        ]);
        assert.equal(result, 'committed');
        assert.deepEqual(await contents(store, user), { b: '3', c: '1', d: '7', e: '2' });
      });

      it('of no changes is committed', async () => {
        assert.equal(await store.commit(newUser(), []), 'committed');
      });

      for (const [old, by, sum] of [
        ['0', 1, '1'],
        ['41', 1, '42'],
        ['1', -1, '0'],
        ['-5', 3, '-2'],
        ['5', 0, '5'],
        ['9007199254740993', 1, '9007199254740994'],
        ['9223372036854775806', 1, '9223372036854775807'],
        ['-9223372036854775807', -1, '-9223372036854775808'],
        ['0', Number.MAX_SAFE_INTEGER, '9007199254740991'],
      ] as const)
        it(`increments ${old} by ${by} to ${sum}`, async () => {
          const user = newUser();
          await store.commit(user, [set('n', old)]);
          assert.equal(await store.commit(user, [increment('n', by)]), 'committed');
          assert.equal((await store.get(user, 'n'))?.toString(), sum);
        });

      it('resolves to missing, with nothing changed, when an increment names no key', async () => {
        const user = newUser();
        await store.commit(user, [set('a', '1'), set('b', '1'), set('n', '1')]);
        const doomed: Change[][] = [
          [increment('none', 1)],
          [set('a', '2'), unset('b'), set('c', '2'), increment('n', 1), increment('none', 1)],
          [unset('n'), increment('n', 1)],
          [increment('none', 1), set('none', '1')],
        ];
        for (const changes of doomed) assert.equal(await store.commit(user, changes), 'missing');
        assert.deepEqual(await contents(store, user), { a: '1', b: '1', n: '1' });
        const nobody = newUser();
        assert.equal(await store.commit(nobody, [set('a'), increment('n', 1)]), 'missing');
        assert.deepEqual(await contents(store, nobody), {});
        assert(!(await allUsers(store)).includes(nobody));
      });

      for (const value of ['', 'x', '1x', ' 1', '1 ', '1.0', '1e3', '01', '-0', '+1', '1\0', '0x1'])
        it(`refuses to increment ${JSON.stringify(value)}, with nothing changed`, async () => {
          const user = newUser();
          await store.commit(user, [set('n', value), set('a', '1')]);
          await assert.rejects(
            store.commit(user, [set('a', '2'), set('b'), increment('n', 1)]),
            InvalidInputError,
          );
          assert.deepEqual(await contents(store, user), { a: '1', n: value });
        });

      it('refuses to count beyond 64 bits or by something that is not a whole number', async () => {
        const user = newUser();
        await store.commit(user, [set('max', '9223372036854775807'), set('n', '1')]);
        for (const [key, by] of [
          ['max', 1],
          ['n', 1.5],
          ['n', NaN],
          ['n', 2 ** 53],
        ] as const)
          await assert.rejects(store.commit(user, [increment(key, by)]), InvalidInputError);
        assert.deepEqual(await contents(store, user), { max: '9223372036854775807', n: '1' });
      });

      it('takes place when everything is as expected, by its octets', async () => {
        const user = newUser();
        const changes = ODD_VALUES.map((value, index) => set(`v${index}`, value));
        await store.commit(user, changes);
        const expectations = ODD_VALUES.map((value, index) => expect(`v${index}`, value));
        const result = await store.commit(user, [
          ...expectations,
          expect('none'),
          set('v0', 'now'),
          set('none', 'now'),
        ]);
        assert.equal(result, 'committed');
        assert.equal((await store.get(user, 'v0'))?.toString(), 'now');
        assert.equal((await store.get(user, 'none'))?.toString(), 'now');
      });

      it('does not take place when anything is not as expected', async () => {
        const user = newUser();
        await store.commit(user, [set('a', '1'), set('empty', ''), set('n', '1')]);
        const doomed = [
          [expect('a')],
          [expect('a', '2')],
          [expect('a', '1\0')],
          [expect('empty')],
          [expect('none', '')],
          [expect('a', '1'), expect('none', 'x')],
        ];
        for (const expectations of doomed) {
          const changes = [...expectations, set('a', '3'), increment('n', 1), unset('empty')];
          await assert.rejects(store.commit(user, changes), OvertakenError);
          await assert.rejects(store.commit(user, changes.toReversed()), OvertakenError);
        }
        assert.deepEqual(await contents(store, user), { a: '1', empty: '', n: '1' });
        const nobody = newUser();
        await assert.rejects(store.commit(nobody, [expect('a', ''), set('a')]), OvertakenError);
        assert(!(await allUsers(store)).includes(nobody));
      });

      it('expects what was there before it, wherever that stands', async () => {
        const user = newUser();
        await store.commit(user, [set('a', '1')]);
        const changes = [set('a', '2'), set('b', '1'), expect('a', '1'), expect('b')];
        assert.equal(await store.commit(user, changes), 'committed');
        assert.deepEqual(await contents(store, user), { a: '2', b: '1' });
      });

      it('of several that expect the same takes place once', async () => {
        const user = newUser();
        await store.commit(user, [set('a', '0')]);
        const commits = await Promise.allSettled(
          Array.from({ length: 20 }, (_, n) =>
            store.commit(user, [expect('a', '0'), set('a', `${n + 1}`)]),
          ),
        );
        assert.equal(commits.filter(({ status }) => status === 'fulfilled').length, 1);
      });

      it('is seen by a read as soon as it resolves', async () => {
        const user = newUser();
        for (let round = 0; round < 200; round++) {
          await store.commit(user, [set('a', `${round}`), set(`k${round}`)]);
          assert.equal((await store.get(user, 'a'))?.toString(), `${round}`);
          assert.equal((await store.list(user, 'k')).length, round + 1);
        }
      });

      it('is seen whole or not at all', async () => {
        const user = newUser();
        await store.commit(user, [set('a', '0'), set('b', '0')]);
        const state = { writing: true };
        const commits = Promise.all(
          Array.from({ length: 300 }, (_, n) =>
            store.commit(user, [set('a', `${n}`), set('b', `${n}`)]),
          ),
        ).finally(() => (state.writing = false));
        while (state.writing) {
          const [a, b] = await store.list(user, '');
          assert.deepEqual(a!.value, b!.value);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await commits;
      });

      it('counts 1,000 increments at once, all of them', async () => {
        const user = newUser();
        await store.commit(user, [set('n', '0')]);
        const results = await Promise.all(
          Array.from({ length: 1000 }, () => store.commit(user, [increment('n', 1)])),
        );
        assert(results.every((result) => result === 'committed'));
        assert.equal((await store.get(user, 'n'))?.toString(), '1000');
      });

      it('fails alone: its neighbours at the same moment are committed', async () => {
        const user = newUser();
        await store.commit(user, [set('n', '0'), set('x', 'text')]);
        const results = await Promise.allSettled(
          Array.from({ length: 90 }, (_, index) => {
            if (index % 3 === 0) return store.commit(user, [set('bad', 'x'), increment('x', 1)]);
            if (index % 3 === 1) return store.commit(user, [set('bad', 'x'), increment('none', 1)]);
            return store.commit(user, [increment('n', 1), set(`k${index}`)]);
          }),
        );
        for (const [index, result] of results.entries())
          if (index % 3 === 0) {
            assert(result.status === 'rejected' && result.reason instanceof InvalidInputError);
          } else {
            const wanted = index % 3 === 1 ? 'missing' : 'committed';
            assert(result.status === 'fulfilled' && result.value === wanted);
          }
        const stored = await contents(store, user);
        assert.equal(stored['n'], '30');
        assert.equal(stored['bad'], undefined);
        assert.equal(Object.keys(stored).length, 32);
      });

      it('applies commits in the order in which they were asked for', async () => {
        const user = newUser();
        const commits = Array.from({ length: 200 }, (_, n) =>
          store.commit(user, [set('a', `${n}`)]),
        );
        await Promise.all(commits);
        assert.equal((await store.get(user, 'a'))?.toString(), '199');
      });
    });

    it('does what a map would do, over any sequence of commits', async () => {
      const key = fc.constantFrom('a', 'b', 'p/a', 'p/b', 'p/%');
      const change: fc.Arbitrary<Change> = fc.oneof(
        fc.record({
          op: fc.constant('set' as const),
          key,
          value: fc.oneof(
            fc.uint8Array({ maxLength: 4 }).map((octets) => Buffer.from(octets)),
            fc.integer({ min: -20, max: 20 }).map((n) => Buffer.from(`${n}`)),
          ),
        }),
        fc.record({ op: fc.constant('unset' as const), key }),
        fc.record({ op: fc.constant('increment' as const), key, by: fc.integer() }),
      );
      const commits = fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(commits, async (list) => {
          const user = newUser();
          let model = new Map<string, string>();
          for (const changes of list) {
            const draft = new Map(model);
            const expected = applyToModel(draft, changes);
            if (expected === 'committed') model = draft;
            const result = await store
              .commit(user, changes)
              .catch((error: unknown) => (error instanceof InvalidInputError ? 'invalid' : error));
            assert.equal(result, expected);
          }
          const stored = await store.list(user, '');
          assert.deepEqual(
            new Map(stored.map(({ key: name, value }) => [name, value.toString('latin1')])),
            model,
          );
        }),
        { numRuns: 60 },
      );
    });

    it('names every user that has an entry, once', async () => {
      const names = Array.from({ length: 2345 }, (_, n) => `many${n} é\t@example.org`);
      await Promise.all(names.map((name) => store.commit(name, [set('a', 'x'), set('b', 'y')])));
      const gone = names.slice(0, 100);
      await Promise.all(gone.map((name) => store.commit(name, [unset('a'), unset('b')])));
      await store.commit(names[100]!, [unset('a')]);
      const found = (await allUsers(store)).filter((name) => name.startsWith('many'));
      assert.equal(found.length, new Set(found).size);
      assert.deepEqual(new Set(found), new Set(names.slice(100)));
    });

    it('goes on naming users while they change', async () => {
      const seen = [];
      for await (const user of store.users()) {
        seen.push(user);
        if (seen.length % 100 === 0) await store.commit(user, [unset('a'), unset('b')]);
      }
      assert(seen.length > 2000);
    });
  });

  describe(`a store of kind ${kind} that was closed`, () => {
    it('refuses everything, and may be closed again', async (t) => {
      const { store, dispose } = await open();
      teardownOf(t).defer(async () => {
        await store.close();
        await dispose();
      });
      const last = store.commit('last', [set('a', '1')]);
      const closed = store.close();
      assert.equal(await last, 'committed');
      await closed;
      await store.close();
      await assert.rejects(store.get('u', 'a'), UnavailableError);
      await assert.rejects(store.list('u', ''), UnavailableError);
      await assert.rejects(store.commit('u', [set('a')]), UnavailableError);
      await assert.rejects(store.check(), UnavailableError);
      await assert.rejects(allUsers(store), UnavailableError);
    });
  });
}

async function contents(store: Store, user: string): Promise<Record<string, string>> {
  const entries = await store.list(user, '');
  return Object.fromEntries(entries.map(({ key, value }) => [key, value.toString()]));
}

async function allUsers(store: Store): Promise<string[]> {
  const users: string[] = [];
  for await (const user of store.users()) users.push(user);
  return users;
}

/** Values as latin1 text, so that any octets compare. */
function applyToModel(model: Map<string, string>, changes: readonly Change[]): string {
  for (const change of changes) {
    if (change.op === 'set') model.set(change.key, change.value.toString('latin1'));
    else if (change.op === 'unset') model.delete(change.key);
    else {
      const old = model.get(change.key);
      if (old === undefined) return 'missing';
      if (!/^(0|-?[1-9][0-9]*)$/.test(old)) return 'invalid';
      model.set(change.key, `${BigInt(old) + BigInt(change.by)}`);
    }
  }
  return 'committed';
}
