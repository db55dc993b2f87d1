import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { answerWith } from '../support/push-service.ts';
import { eventually, startStage, VENDOR, type Stage } from '../support/start-stage.ts';
import { subscribe } from '../support/subscribe.ts';
import type { UserAgent } from '../support/user-agent.ts';
import { chat, deliverTo } from './conformance/steps.ts';

const GONE = 'gerda.obermann@example.org';
const STAYS = 'stefan@example.org';
const ADMIN = { authorization: 'Bearer an-admin-token-for-tests' };

describeVersions('forgetting a user', (version) => {
  let stage: Stage;
  let rawlogs: string;
  const agents = new Map<string, UserAgent>();
  const held: ServerResponse[] = [];

  const teardown = createTeardown();
  before(async () => {
    rawlogs = await mkdtemp(join(tmpdir(), 'coi-forget-'));
    teardown.defer(() => rm(rawlogs, { recursive: true }));
    stage = await startStage({
      version,
      config: {
        webpush: {
          ...{ rawlog_dir: `${rawlogs}/%u`, timeout_msecs: 30_000 },
          allow_private_endpoints: ['localhost', '127.0.0.1'],
        },
      },
    });
    teardown.defer(() => stage.close());
    teardown.defer(() => {
      for (const response of held) response.destroy();
    });
    for (const user of [GONE, STAYS]) {
      await mkdir(join(rawlogs, user));
      const client = await stage.login(user);
      const agent = await stage.userAgent();
      agents.set(user, agent);
      await client.setMetadata('', `${VENDOR}/coi/config/message-filter`, 'active');
      await client.setMetadata('', `${VENDOR}/coi/config/enabled`, 'yes');
      await client.setMetadata('INBOX', '/private/comment', `the comment of ${user}`);
      await subscribe(client, agent);
      const rejected = join(stage.dovecot.layout.oldSpoolDir, 'rejected');
      await mkdir(rejected, { recursive: true });
      const event = { event: 'MessageRead', mailbox: 'INBOX', uid: 1, uidvalidity: 1 };
      await writeFile(join(rejected, `${user}.json`), JSON.stringify({ user, events: [event] }));
    }
    agents.get(GONE)!.answer = (response) => void held.push(response);
    agents.get(STAYS)!.answer = answerWith(503, { 'retry-after': '3600' });
    // The first goes out and is held, the second waits behind it.
    for (const subject of ['one', 'two']) {
      await deliverTo(stage, [GONE, STAYS], chat(`Subject: ${subject}`));
    }
    await eventually(() => {
      assert.equal(held.length, 1);
      assert.equal(stage.app.domain.delivery.levels().owed, 4);
    }, 30_000);
  });

  async function forget(user: string, query = '') {
    const url = `${stage.app.url}/v1/users/${encodeURIComponent(user)}${query}`;
    const response = await fetch(url, { method: 'DELETE', headers: ADMIN });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** The files of the service's in which a text stands, by content or by name. */
  async function filesWith(text: string): Promise<string[]> {
    const { dir } = stage.dovecot.layout;
    const databases = (await readdir(dir)).filter((name) => name.includes('.db'));
    const others = [stage.dovecot.eventsDir, stage.dovecot.layout.oldSpoolDir, rawlogs].map(
      async (at) => (await readdir(at, { recursive: true })).map((name) => join(at, name)),
    );
    const files = [
      ...databases.map((name) => join(dir, name)),
      ...(await Promise.all(others)).flat(),
    ];
    const found: string[] = [];
    for (const file of files) {
      const content = await readFile(file, 'latin1').catch(() => '');
      if (content.includes(text) || file.includes(text)) found.push(file);
    }
    return found;
  }

  const usersMarked = async (): Promise<number> => {
    const octets = await readFile(join(stage.dovecot.eventsDir, 'marks'));
    return octets.reduce((sum, octet) => sum + octet, 0);
  };

  it('is refused while Dovecot knows the account, and nothing has changed', async () => {
    const { status, body } = await forget(GONE);
    assert.equal(status, 409);
    assert.match(String(body['message']), /still knows .*gerda.*"users forget … --force"/);
    assert.ok((await filesWith(GONE)).length >= 4);
    assert.equal(await usersMarked(), 2);
  });

  it('waits for a push that is under way, and says what it removed', async () => {
    const forgetting = forget(GONE, '?force=true');
    const early = await Promise.race([
      forgetting.then(() => 'early'),
      new Promise((resolve) => setTimeout(resolve, 1_000)),
    ]);
    assert.equal(early, undefined);
    held[0]?.writeHead(201).end();
    const { status, body } = await forgetting;
    assert.equal(status, 200, JSON.stringify(body));
    const { annotations, rawlogs: logs, ...counts } = body;
    assert.deepEqual(counts, {
      ...{ user: GONE, subscriptions: 1, vapidKeys: 1, pushes: 2, spooledEvents: 1 },
    });
    assert.ok(Number(annotations) >= 3);
    assert.equal(logs, 2, 'the validation, and the push that was under way');
  });

  it('leaves nothing of them on the disk, and all of the others', async () => {
    await stage.app.domain.subscriptions.flush();
    assert.deepEqual(await filesWith(GONE), []);
    assert.equal(await usersMarked(), 1);
    const { ground, domain } = stage.app;
    assert.deepEqual(await ground.store.list(GONE, ''), []);
    assert.equal((await domain.subscriptions.list(STAYS)).length, 1);
    assert.equal(domain.delivery.levels().owed, 2);
    const comments = (await ground.store.list(STAYS, 'priv/')).map(({ value }) => String(value));
    assert.deepEqual(comments, [`the comment of ${STAYS}`]);
    assert.ok((await filesWith(STAYS)).length >= 4);
  });

  it('can be repeated, and a new process knows them no more', async () => {
    const { status, body } = await forget(GONE, '?force=true');
    assert.equal(status, 200);
    assert.deepEqual(body, {
      ...{ user: GONE, subscriptions: 0, vapidKeys: 0, annotations: 0 },
      ...{ pushes: 0, spooledEvents: 0, rawlogs: 0 },
    });
    await stage.restart();
    const users = (await (await fetch(`${stage.app.url}/v1/users`, { headers: ADMIN })).json()) as {
      users: { user: string }[];
    };
    assert.deepEqual(
      users.users.map(({ user }) => user),
      [STAYS],
    );
    assert.deepEqual(await filesWith(GONE), []);
  });
});
