import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import {
  createDoveadmClient,
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmRow,
} from '../../src/dovecot/doveadm-client.ts';
import { UnavailableError } from '../../src/errors.ts';
import { LogOwners } from '../../src/events/log-owners.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';

describeVersions('whose events may stand in a log, says the userdb', (version) => {
  let dovecot: PrivateDovecot;
  let doveadm: DoveadmClient;
  const teardown = createTeardown();
  before(async () => {
    dovecot = await startPrivateDovecot({
      ...{ version, metadata: 'none', classify: 'none', events: 'none' },
      users: ['alice', 'bob'],
    });
    teardown.defer(() => dovecot.stop());
    doveadm = createDoveadmClient({ ...dovecot.doveadm, timeout: 20_000 });
    teardown.defer(() => doveadm.close());
  });

  it('of a user who belongs there, and of nobody else', async () => {
    const [answer] = await doveadm.runAll([
      { name: 'user', parameters: { userMask: ['alice'], field: 'uid' } },
    ]);
    const [{ uid } = { uid: '' }] = Object.values(
      answer as unknown as Record<string, { uid: string }>,
    );
    const owners = new LogOwners({ doveadm, clock: { monotonic: () => 0 } });
    assert.deepEqual([...(await owners.foreign(Number(uid), ['alice', 'bob']))], []);
    const foreign = await owners.foreign(Number(uid) + 1, ['alice', 'bob']);
    assert.deepEqual([...foreign], ['alice', 'bob']);
  });
});

describe('LogOwners', () => {
  /** A userdb of which every answer, and their number, is known. */
  function start(userdb: Record<string, number | string | Error>) {
    const asked: string[] = [];
    const clock = { time: 0, monotonic: () => clock.time };
    const owners = new LogOwners({
      clock,
      doveadm: {
        runAll: (commands) =>
          Promise.resolve(
            commands.map(({ name, parameters }) => {
              if (name !== 'user') return [];
              const [user = ''] = parameters['userMask'] as string[];
              asked.push(user);
              const known = userdb[user] ?? noSuchUser();
              if (known instanceof DoveadmCommandError) return known;
              if (known instanceof Error) throw known;
              return { [user]: { uid: String(known) } } as unknown as DoveadmRow[];
            }),
          ),
      },
    });
    return { owners, asked, clock };
  }
  const noSuchUser = () =>
    new DoveadmCommandError({ name: 'user', parameters: {} }, 'exitCode', EXIT_CODES.noSuchUser);
  const many = (count: number, of = 'user'): string[] =>
    Array.from({ length: count }, (_, n) => `${of}${n}`);

  // Dovecot answers with mail_uid as the configuration has it, where the userdb has no uid of its own.
  it('makes logs for system users that are told by name, and sets nothing aside by a name', async () => {
    const { owners } = start({ anna: 'daemon', bert: 'bin', carl: 'of-a-directory-service' });
    assert.deepEqual([...(await owners.systemUsers(['anna', 'bert', 'carl']))], [1, 2]);
    assert.deepEqual([...(await owners.foreign(1, ['anna', 'bert', 'carl']))], []);
  });

  it('asks once for each, and again after an hour', async () => {
    const { owners, asked, clock } = start({ anna: 1_001, bert: 1_002 });
    for (const time of [0, 3_599_000, 3_601_000]) {
      clock.time = time;
      assert.deepEqual([...(await owners.foreign(1_001, ['anna', 'bert', 'nobody']))].toSorted(), [
        'bert',
        'nobody',
      ]);
    }
    assert.deepEqual(asked, ['anna', 'bert', 'nobody', 'anna', 'bert', 'nobody']);
  });

  it('asks no more about the log of a system user with many mail users', async () => {
    const { owners, asked } = start(Object.fromEntries(many(100).map((user) => [user, 5_000])));
    assert.deepEqual([...(await owners.foreign(5_000, many(100)))], []);
    assert.deepEqual([...(await owners.foreign(5_000, many(100, 'more')))], []);
    assert.equal(asked.length, 16);
  });

  it('asks no more about a log with many that are foreign, and still believes its own', async () => {
    const { owners, asked } = start({ anna: 1_001 });
    for (let n = 0; n < 10; n++) {
      const foreign = await owners.foreign(1_001, ['anna', ...many(1_000, `of${n}-`)]);
      assert.equal(foreign.size, 1_000);
    }
    assert(asked.length <= 48, `${asked.length} asked`);
  });

  it('finds the system users of a few mail users, and asks no further where all have one', async () => {
    const own = start(Object.fromEntries(many(40).map((user, n) => [user, 1_000 + n])));
    assert.equal((await own.owners.systemUsers(oneByOne(many(40)))).size, 40);
    const one = start(Object.fromEntries(many(500).map((user) => [user, 5_000])));
    const found = await one.owners.systemUsers(oneByOne(['', 'nobody', ...many(500)]));
    assert.deepEqual([...found], [5_000]);
    assert.equal(one.asked.length, 32);
  });

  it('asks a Dovecot that does not answer once for all users of a part of a log', async () => {
    const { owners, asked } = start(
      Object.fromEntries(many(500).map((user) => [user, new UnavailableError('it hangs')])),
    );
    assert.deepEqual([...(await owners.foreign(5_000, many(500)))], []);
    assert.deepEqual(asked, ['user0']);
  });

  it('believes what nobody can tell, and the events of root', async () => {
    const { owners } = start({ anna: new UnavailableError('down'), bert: Number.NaN });
    assert.deepEqual([...(await owners.foreign(1_001, ['anna']))], []);
    assert.deepEqual([...(await owners.foreign(1_001, ['bert']))], []);
    assert.deepEqual([...(await owners.foreign(0, ['anybody']))], []);
  });
});

// eslint-disable-next-line @typescript-eslint/require-await -- as the store gives them
async function* oneByOne(users: readonly string[]): AsyncIterable<string> {
  yield* users;
}
