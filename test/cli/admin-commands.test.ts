import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import type { Command } from '../../src/cli/command.ts';
import { outbox } from '../../src/cli/outbox.ts';
import { pushTest } from '../../src/cli/push-test.ts';
import { reload } from '../../src/cli/reload.ts';
import { users } from '../../src/cli/users.ts';
import { InvalidInputError } from '../../src/errors.ts';
import { ADMIN_TOKEN, createAdminRig } from '../http/admin-rig.ts';
import {
  AUTH,
  ENDPOINT,
  ID,
  OTHER_ID,
  P256DH,
  START,
  subscriptionJson,
  tokenOf,
} from '../webpush/subscriptions/subscription-fixtures.ts';
import { runInProcess, writeConfig, type ConfigFile } from './run-command.ts';
import { createTeardown } from '../support/create-teardown.ts';

const USER = 'a/b@exämple.org';

describe('the admin command line', () => {
  let rig: ReturnType<typeof createAdminRig>;
  let config: ConfigFile;
  const run = (command: Command, ...args: string[]) =>
    runInProcess(command, [...args, '--config', config.path]);
  const json = async (command: Command, ...args: string[]): Promise<Record<string, unknown>> =>
    JSON.parse((await run(command, ...args, '--json')).stdout) as Record<string, unknown>;

  const teardown = createTeardown();
  before(async () => {
    rig = createAdminRig();
    teardown.defer(() => rig.app.close());
    const url = await rig.app.listen({ host: '127.0.0.1', port: 0 });
    config = teardown.use(await writeConfig(new URL(url).host, ADMIN_TOKEN));
  });
  beforeEach(async () => {
    await rig.subscriptions.removeAll(USER);
    const push = await rig.subscriptions.register(
      USER,
      ID,
      subscriptionJson({ client: 'e\u001b[2Jvil' }),
    );
    await rig.subscriptions.validate(USER, ID, tokenOf(push));
    rig.subscriptions.record(USER, ID, ENDPOINT, {
      delivered: false,
      outcome: 'gone',
      status: 410,
    });
  });

  it('users, and users list: a table', async () => {
    for (const args of [[], ['list']]) {
      const { code, stdout } = await run(users, ...args);
      assert.equal(code, 0);
      const [head, row] = stdout.split('\n');
      assert.match(head ?? '', /^USER +COI +FILTER +SUBSCRIPTIONS +PENDING +THROTTLED$/);
      assert.match(row ?? '', /^a\/b@exämple\.org +- +none +1 +0 +-$/);
    }
    const listed = (await json(users))['users'] as { user: string }[];
    assert.equal(listed[0]?.user, USER);
  });

  it('users show: subscriptions with their last outcome; no secrets, no control characters', async () => {
    const { stdout } = await run(users, 'show', USER);
    assert.match(stdout, /COI +not enabled/);
    assert.match(stdout, /gone 410 at 2019-10-16 16:14:17Z/);
    assert.match(stdout, /https:\/\/push\.example\.com/);
    for (const secret of ['/p/1234', P256DH, AUTH, '\u001b']) assert.ok(!stdout.includes(secret));
    const state = await json(users, 'show', USER);
    assert.equal((state['subscriptions'] as { id: string }[])[0]?.id, ID);
  });

  it('users show of a stranger: the service’s words', async () => {
    await assert.rejects(run(users, 'show', 'nobody'), /nothing is known of the user "nobody"/);
  });

  it('users throttled and users unthrottle', async () => {
    assert.match((await run(users, 'throttled')).stdout, /Nobody/);
    for (let refusal = 0; refusal < 3; refusal++) rig.throttle.refused(USER);
    assert.match((await run(users, 'throttled')).stdout, /a\/b@exämple\.org +paused +3 +2019/);
    assert.match((await run(users)).stdout, /paused until 2019-10-16 16:15:17Z/);
    assert.match((await run(users, 'unthrottle', USER)).stdout, /may try again/);
    assert.equal(rig.throttle.admit(USER).admitted, true);
    await assert.rejects(run(users, 'unthrottle', USER), /nothing was refused/);
  });

  it('users rotate-vapid', async () => {
    const before = await rig.vapidKeys.get(USER);
    const { stdout } = await run(users, 'rotate-vapid', USER);
    const { publicPem } = await rig.vapidKeys.get(USER);
    assert.notEqual(publicPem, before.publicPem);
    assert.ok(stdout.startsWith(publicPem));
    assert.match(stdout, /1 subscription\(s\) removed/);
  });

  it('users remove-subscription', async () => {
    await assert.rejects(run(users, 'remove-subscription', USER, OTHER_ID), /no subscription/);
    assert.deepEqual(await json(users, 'remove-subscription', USER, ID), {
      user: USER,
      id: ID,
      removed: true,
    });
    assert.deepEqual(await rig.subscriptions.list(USER), []);
  });

  it('users forget: what was removed; refused while Dovecot knows the account', async () => {
    rig.known.add(USER);
    await assert.rejects(
      run(users, 'forget', USER),
      /Dovecot still knows the user .*"users forget … --force"/,
    );
    rig.known.delete(USER);
    const { stdout } = await run(users, 'forget', USER);
    assert.match(
      stdout,
      /is forgotten\. Removed: 1 subscription\(s\), .*2 push\(es\) that were owed\./,
    );
    assert.deepEqual(await rig.store.list(USER, ''), []);
    rig.known.add(USER);
    const again = await json(users, 'forget', USER, '--force');
    assert.equal(again['subscriptions'], 0);
    rig.known.delete(USER);
  });

  it('push-test: exit code 0 only if every push was accepted', async () => {
    const good = await run(pushTest, USER);
    assert.equal(good.code, 0);
    assert.match(good.stdout, /validated +https:\/\/push\.example\.com +accepted +accepted +201/);
    rig.answerTests({ verdict: 'deferred', reason: 'timeout' });
    const bad = await run(pushTest, USER, ID);
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /deferred +timeout +-/);
    const pausedUntil = Date.UTC(2026, 0, 15, 12);
    rig.answerTests({ verdict: 'deferred', reason: 'paused', pausedUntil });
    const paused = await run(pushTest, USER, ID);
    assert.match(paused.stdout, /PAUSED UNTIL/);
    assert.match(paused.stdout, /deferred +paused +- +2026-01-15 12:00:00Z/);
    assert.equal((await json(pushTest, USER))['user'], USER);
  });

  it('outbox lists what is owed and drops one', async () => {
    assert.match((await run(outbox)).stdout, /No push is owed/);
    rig.owed.push({
      ...{ id: 7, user: USER, subscriptionId: ID, kind: 'message', urgency: 'normal', attempts: 1 },
      ...{ origin: 'https://push.example.com', createdAt: START, expiresAt: START + 1_000 },
      ...{ nextAttemptAt: 0, payloadOctets: 10 },
    });
    assert.match((await run(outbox, 'list')).stdout, /^ 7 +a\/b@exämple\.org .* 1 +now$/m);
    await assert.rejects(run(outbox, 'drop', '8'), /no push 8 is owed/);
    assert.deepEqual(await json(outbox, 'drop', '7'), { id: 7, dropped: true });
    assert.deepEqual(await json(outbox, 'list'), { pushes: [] });
  });

  it('reload says what was dropped', async () => {
    const before = rig.forgotten();
    assert.match((await run(reload)).stdout, /settings, VAPID keys/);
    assert.equal(rig.forgotten(), before + 1);
  });

  const wrong: [command: Command, args: string[]][] = [
    [users, ['shwo', USER]],
    [users, ['show']],
    [users, ['show', '']],
    [users, ['list', USER]],
    [users, ['remove-subscription', USER]],
    [users, ['constructor']],
    [users, ['forget']],
    [users, ['show', USER, '--force']],
    [users, ['--nonsense']],
    [pushTest, []],
    [outbox, ['drop']],
    [outbox, ['drop', 'x']],
    [outbox, ['drop', '../users']],
  ];
  for (const [command, args] of wrong) {
    it(`${command.name} ${args.join(' ')}: refused as called wrongly`, () =>
      assert.rejects(async () => run(command, ...args), InvalidInputError));
  }
});
