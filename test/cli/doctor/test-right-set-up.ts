import assert from 'node:assert/strict';
import { chown, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { findFreePort } from '../../../src/cli/demo/find-free-port.ts';
import { formatReport } from '../../../src/cli/doctor/format-report.ts';
import type { Report } from '../../../src/cli/doctor/report.ts';
import type { DovecotVersion } from '../../../src/cli/demo/dovecot-release.ts';
import {
  faultsOf,
  startDoctorRig,
  type DoctorRig,
  type Examination,
} from '../../support/doctor-rig.ts';
import { sharedNamespace, sharedScript } from '../../support/shared-namespace.ts';
import { eventually, VENDOR } from '../../support/start-stage.ts';
import { setting } from './seeds/event-drivers.ts';
import { MAILBOX_COMMAND, OWN_LOG, postconf } from './seeds/mta.ts';
import { OWN_UIDS } from './seeds/own-uids.ts';
import { startPushService } from '../../support/push-service.ts';
import { notRoot } from '../../support/unprivileged.ts';

const assertWell = (report: Report): void => {
  assert.deepEqual(faultsOf(report), [], formatReport(report, { colour: false }));
  assert.equal(report.verdict, 'ok');
};

/** Nothing wrong was found, and not everything was looked at: that is no good news. */
const assertUnknown = (report: Report): void => {
  assert.deepEqual(faultsOf(report), [], formatReport(report, { colour: false }));
  assert.equal(report.verdict, 'unknown');
};

const namesOf = ({ checks }: Report, verdict: string): string[] =>
  checks.filter((check) => check.verdict === verdict).map(({ name }) => name);

const noteOf = ({ checks }: Report, name: string): string =>
  checks.find((check) => check.name === name)?.notes.join('; ') ?? '';

/** What a user's client sees of it all: mailboxes, their messages, and annotations. */
async function stateOf({ stage }: DoctorRig, user: string): Promise<string[]> {
  const client = await stage.login(user);
  const listed = await client.ok('LIST "" "*"');
  const subscribed = await client.ok('LSUB "" "*"');
  const inbox = await client.ok('STATUS INBOX (MESSAGES)');
  const { untagged } = await client.ok(
    `GETMETADATA (DEPTH infinity) "" ("${VENDOR}/coi" "${VENDOR}/webpush/subscriptions")`,
  );
  await client.close();
  // The server's own, which comes and goes as it likes.
  const annotations = untagged
    .map((line) => line.replace(/\/\S*mailbox-root \{\d+\}\r\nCOI ?/, ''))
    .filter((line) => line !== 'METADATA "" ()');
  return [...[listed, subscribed, inbox].flatMap((one) => one.untagged), ...annotations];
}

/** Nothing is found where nothing is wrong, and a trip leaves nothing behind. */
export function testRightSetUp(rig: () => DoctorRig, source: 'dict' | 'doveadm'): void {
  test('without a scratch user: all good, and what was not made is said', async () => {
    const report = await rig().examine();
    assertWell(report);
    assert.deepEqual(namesOf(report, 'skipped'), ['push-services', 'trip']);
    assert.equal(
      report.checks.some(({ name }) => name === 'notices'),
      source === 'doveadm',
    );
  });

  test('a shared namespace: whether chat that others read is told of is said', async () => {
    const { version, layout } = rig().stage.dovecot;
    const only = ['events-driver', 'namespace', 'plugins'];
    const namespace = sharedNamespace(version);
    const untold = await rig().examine({ only, dovecot: namespace });
    assertWell(untold);
    assert.match(
      noteOf(untold, 'events-driver'),
      /somebody else reads in shared\/.* stays in INBOX/,
    );
    const dovecot = namespace + sharedScript(version, layout.coiDir);
    const told = await rig().examine({ only, dovecot });
    assertWell(told);
    assert.doesNotMatch(noteOf(told, 'events-driver'), /stays in INBOX/);
  });

  for (const [how, examination] of [
    ['by doveadm', {}],
    ['by IMAP', { password: 'secret' }],
  ] as [string, Examination][]) {
    test(`a trip ${how}: a push arrives, and everything is as it was`, async () => {
      const user = rig().stage.freshUser();
      const before = await stateOf(rig(), user);
      const report = await rig().examine({ ...examination, users: [user], only: ['trip'] });
      assertWell(report);
      assert.match(noteOf(report, 'trip'), /filed in COI\/Chats with \$Chat, pushed \d+ ms later/);
      assert.match(noteOf(report, 'trip'), how === 'by IMAP' ? /by IMAP/ : /by doveadm/);
      // With doveadm the service writes back just after it heard.
      await eventually(async () => assert.deepEqual(await stateOf(rig(), user), before));
      if (source === 'doveadm') return; // the annotations that it mirrors are Dovecot's
      const { store } = rig().stage.app.ground;
      assert.deepEqual(
        await store.list(user, ''),
        [],
        'nor does the service keep anything of them',
      );
    });
  }

  test('a user who has COI enabled keeps it, and their folders', async () => {
    const user = rig().stage.freshUser();
    const client = await rig().stage.login(user);
    const enabled = `${VENDOR}/coi/config/enabled`;
    assert.equal((await client.setMetadata('', enabled, 'yes')).status, 'OK');
    await eventually(async () => {
      assert.ok((await client.ok('LIST "" "COI/Chats"')).untagged.length === 1);
    });
    assertWell(await rig().examine({ users: [user], only: ['trip'] }));
    assert.equal((await client.getMetadata('', [enabled])).get(enabled), 'yes', 'not forgotten');
    assert.equal((await client.ok('LIST "" (COI/* Blocked)')).untagged.length, 3);
  });

  test('several users, one after the other', async () => {
    const users = [rig().stage.freshUser(), rig().stage.freshUser()];
    const report = await rig().examine({ users, only: ['trip'] });
    assertWell(report);
    for (const user of users) assert.ok(noteOf(report, 'trip').includes(`${user}: `));
  });
}

/** Where a mailbox is a file, COI is a directory, which holds mailboxes and no mail. */
export function testMbox(version: DovecotVersion): void {
  test('a trip where mail is kept as mbox leaves no empty COI behind', async () => {
    const rig = await startDoctorRig({ version, mailDriver: 'mbox' });
    try {
      const user = rig.stage.freshUser();
      await stateOf(rig, user); // makes INBOX
      const before = await stateOf(rig, user);
      const report = await rig.examine({ users: [user], only: ['trip'] });
      assertWell(report);
      assert.deepEqual(await stateOf(rig, user), before);
    } finally {
      await rig.close();
    }
  });
}

/** What does not depend on the version, with the stage of one. */
export function testOtherPlaces(rig: () => DoctorRig): void {
  test('push services that are named are reached as pushes reach them', async () => {
    const service = await startPushService({ tls: false });
    try {
      const report = await rig().examine({
        only: ['push-services'],
        reach: [service.origin],
        config: { webpush: { allow_private_endpoints: ['127.0.0.1'] } },
      });
      assertWell(report);
      assert.equal(service.pushes.length, 1);
      assert.match(noteOf(report, 'push-services'), /answers 201/);
    } finally {
      await service.close();
    }
  });

  describe('where Dovecot is elsewhere', () => {
    test('it checks what it can, and says what it left out', async () => {
      const report = await rig().examine({ elsewhere: true, users: [rig().stage.freshUser()] });
      assertUnknown(report);
      const unknown = namesOf(report, 'unknown');
      for (const name of ['dovecot', 'plugins', 'sieve', 'events-url', 'doveadm-api', 'trip']) {
        assert.ok(unknown.includes(name), name);
      }
      for (const name of ['configuration', 'service', 'tokens']) {
        assert.ok(namesOf(report, 'ok').includes(name), name);
      }
      assert.match(JSON.stringify(report), /there is no doveconf on this host/);
      assert.match(JSON.stringify(report), /--lmtp HOST:PORT/);
    });

    test('a trip is made where it is told to deliver and to log in', async () => {
      const { lmtp, imap } = rig().stage.dovecot;
      const users = [rig().stage.freshUser()];
      const report = await rig().examine({
        ...{ elsewhere: true, users, password: 'secret', lmtp, imap },
      });
      // Whoever sent mail through it has seen more than its configuration shows.
      assertWell(report);
      assert.match(noteOf(report, 'trip'), /by IMAP.*delivered by LMTP.*pushed/);
    });
  });

  test('where mail comes by dovecot-lda, a trip takes that', { skip: notRoot }, async () => {
    const report = await rig().examine({
      ...{ users: [rig().stage.freshUser()], only: ['dovecot', 'plugins', 'lda', 'trip'] },
      dovecot: 'protocols = imap',
    });
    assertWell(report);
    assert.match(noteOf(report, 'trip'), /delivered by dovecot-lda.*pushed/);
  });

  test('where the MTA uses dovecot-lda, it and LMTP are tried', { skip: notRoot }, async () => {
    const path = await rig().shadow({ postconf: postconf(MAILBOX_COMMAND) });
    const report = await rig().examine({
      users: [rig().stage.freshUser()],
      path,
      dovecot: OWN_LOG,
    });
    assertWell(report);
    assert.match(noteOf(report, 'mta'), /^Postfix uses dovecot-lda \(mailbox_command = \//);
    const made = noteOf(report, 'trip');
    assert.match(made, /delivered by dovecot-lda.*pushed.*delivered by LMTP.*pushed/);
  });

  test('the first user whom Dovecot lists need not have had mail', { skip: notRoot }, async () => {
    const own = await startDoctorRig({ users: ['nobody', 'bob@example.org'] });
    try {
      const { eventsDir } = own.stage.dovecot;
      const dir = join(own.dir, 'no-events-yet');
      await mkdir(dir, { mode: 0o710 });
      await chown(dir, (await stat(eventsDir)).uid, own.stage.dovecot.mailGid);
      const report = await own.examine({
        ...setting(own, 'coi_sidecar_events_dir', dir),
        ...{ config: { events: { dir } }, only: ['event-log', 'dict-socket'] },
      });
      assertWell(report);
      assert.match(JSON.stringify(report), /bob@example\.org has no log yet/);
    } finally {
      await own.close();
    }
  });

  test('where the MTA does not tell, it is said', async () => {
    const path = await rig().shadow({ postconf: postconf({ local_transport: 'error' }) });
    const report = await rig().examine({ only: ['mta'], path });
    assertUnknown(report);
    assert.match(JSON.stringify(report), /the configuration of Postfix does not say it plainly/);
  });

  test('without http.admin_token the push is left out, and that is said', async () => {
    const report = await rig().examine({
      ...{ users: [rig().stage.freshUser()], only: ['trip'] },
      config: { http: { admin_token: '' } },
    });
    assertUnknown(report);
    assert.match(noteOf(report, 'trip'), /filed in COI\/Chats with \$Chat$/);
    assert.match(JSON.stringify(report), /without http\.admin_token/);
  });

  test('whoever is not root is told what they cannot see', async () => {
    const real = process.getuid;
    process.getuid = () => 4711;
    const report = await rig()
      .examine()
      .finally(() => {
        process.getuid = real!;
      });
    assertUnknown(report);
    const text = JSON.stringify(report);
    assert.match(text, /whether mail processes may use .*dict\.sock: only root can try it/);
    assert.match(text, /whether mail processes may use .*coi\.lua: only root can try it/);
    assert.match(text, /only root can have Dovecot deliver as a mail user/);
  });

  test('whoever may not read Dovecot’s configuration is told so', async () => {
    const real = process.getuid;
    process.getuid = () => 4711;
    const path = await rig().shadow({
      doveconf: 'echo "doveconf: Fatal: open(/x.conf) failed: Permission denied" >&2; exit 89',
    });
    const report = await rig()
      .examine({ path })
      .finally(() => {
        process.getuid = real!;
      });
    assertUnknown(report);
    assert.match(JSON.stringify(report), /only root may read Dovecot’s configuration/);
  });

  test('where the mail format differs between users, the separator is not known', async () => {
    const report = await rig().examine({
      only: ['namespace'],
      dovecot: 'mail_location =\nnamespace inbox {\n  separator =\n}',
    });
    assertUnknown(report);
    assert.deepEqual(namesOf(report, 'unknown'), ['namespace']);
    assert.match(JSON.stringify(report), /neither separator in namespace inbox nor mail_location/);
  });

  test('where each user has an own uid, a stand-in is tried', { skip: notRoot }, async () => {
    const own = await rig().examine({
      ...{ dovecot: `${OWN_UIDS['2.3']}\nprotocols = imap`, only: ['dict-socket', 'lda'] },
    });
    assertUnknown(own);
    assert.match(JSON.stringify(own), /coi-classify: each user has an own uid/);
  });

  test('an API of Dovecot’s that is away makes no check fail that does not need it', async () => {
    const report = await rig().examine({
      config: { doveadm: { url: `http://127.0.0.1:${await findFreePort()}/doveadm/v1` } },
      users: [rig().stage.freshUser()],
    });
    assert.deepEqual(faultsOf(report), ['doveadm-api.refused']);
    assert.ok(namesOf(report, 'unknown').includes('trip'));
  });
}
