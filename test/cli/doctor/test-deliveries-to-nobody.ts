import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROBE_USER } from '../../../src/events/probes.ts';
import { formatReport } from '../../../src/cli/doctor/format-report.ts';
import type { Report } from '../../../src/cli/doctor/report.ts';
import { faultsOf, startDoctorRig, type DoctorRig } from '../../support/doctor-rig.ts';
import { eventually } from '../../support/start-stage.ts';
import { withMode } from './seeds/change-for-a-while.ts';
import { OWN_UIDS } from './seeds/own-uids.ts';

const ONLY = ['events-delivery', 'classify-delivery'];

function assertMade(report: Report, names = ONLY): void {
  const text = formatReport(report, { colour: false });
  assert.deepEqual(faultsOf(report), [], text);
  assert.deepEqual(
    report.checks.map(({ name, verdict }) => [name, verdict]),
    names.map((name) => [name, 'ok']),
    text,
  );
}

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** All that a delivery could leave behind, on Dovecot's side and on ours. */
async function traces({ stage }: DoctorRig): Promise<unknown> {
  const { eventsDir, layout } = stage.dovecot;
  const marks = sha256(await readFile(join(eventsDir, 'marks')));
  const users: string[] = [];
  for await (const user of stage.app.ground.store.users()) users.push(user);
  return {
    ...{ users: users.sort(), marks },
    owed: (await stage.app.ground.outbox.page(0, 100)).length,
    // The service changes logs now and then.
    events: (await readdir(eventsDir, { recursive: true })).filter(
      (name) => !/log\.\d+$/.test(name),
    ),
    mail: await readdir(layout.mailDir).catch(() => []),
    complaints: stage.dovecot.errors(),
    mentioned: stage.dovecot.readLog().includes(PROBE_USER),
  };
}

/** The same, once the service has let Dovecot know whose mail matters. */
const published = (rig: DoctorRig): Promise<unknown> => eventually(() => traces(rig));

/**
 * What a site may have besides: places of their own for namespaces, drivers for others, and scripts that
 * would do something to the message.
 */
async function busySite({
  stage,
  dir,
}: DoctorRig): Promise<{ dovecot: string; elsewhere: string }> {
  const elsewhere = join(dir, 'elsewhere');
  await mkdir(elsewhere, { recursive: true });
  await chmod(elsewhere, 0o777);
  const script = join(stage.dovecot.layout.coiDir, 'other.sieve');
  await writeFile(script, 'require "imap4flags";\naddflag "$Chat";\nkeep;\n');
  await stage.dovecot.runProgram('sievec', [script]);
  const other = join(stage.dovecot.layout.coiDir, 'other.lua');
  const note = `io.open('${elsewhere}/told', 'w'):close()`;
  const handler = `function dovecot_lua_notify_event_message_new() ${note} end`;
  const frame =
    'function dovecot_lua_notify_begin_txn() end\nfunction dovecot_lua_notify_end_txn() end';
  await writeFile(other, `${handler}\n${frame}\n`);
  const dovecot =
    stage.dovecot.version === '2.3'
      ? `namespace inbox {
  location = mdbox:${elsewhere}/inbox-%u
}
namespace other {
  prefix = Other/
  separator = /
  location = maildir:${elsewhere}/other-%u
}
protocol lda {
  mail_plugins = $mail_plugins quota mail_log
}
mail_debug = yes
plugin {
  push_notification_driver = lua:file=${other}
  push_notification_driver2 = lua:file=${stage.dovecot.layout.coiDir}/coi.lua
  sieve_before = file:${script}
  sieve_before2 = file:${stage.dovecot.layout.coiDir}/coi.sieve
  sieve_after = file:${script}
  sieve_default = file:${script}
}`
      : `namespace inbox {
  mail_driver = mdbox
  mail_path = ${elsewhere}/inbox-%{user}
  mail_index_path = ${elsewhere}/index-%{user}
}
namespace other {
  prefix = Other/
  separator = /
  mail_path = ${elsewhere}/other-%{user}
}
mail_control_path = ${elsewhere}/control-%{user}
protocol lda {
  mail_plugins {
    quota = yes
    mail_log = yes
  }
}
log_debug = category=mail
push_notification before {
  driver = lua
  lua_file = ${other}
}
sieve_script before {
  type = before
  path = ${script}
}
sieve_script after {
  type = after
  path = ${script}
}
sieve_script default {
  type = default
  path = ${script}
}`;
  return { dovecot, elsewhere };
}

/** Examines with a directory for temporary files that nobody else uses. */
async function withOwnTmp<T>(rig: DoctorRig, work: () => Promise<T>): Promise<T> {
  const tmp = join(rig.dir, 'tmp');
  await mkdir(tmp, { recursive: true });
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = tmp;
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    assert.deepEqual(await readdir(tmp), [], 'something stays in TMPDIR');
  }
}

/** The two roads that Dovecot goes by itself, without anybody's account. */
export function testDeliveriesToNobody(rig: () => DoctorRig): void {
  test('and leaves nothing behind, neither here nor there', async () => {
    const before = await published(rig());
    assertMade(await withOwnTmp(rig(), () => rig().examine({ only: ONLY })));
    assert.deepEqual(await traces(rig()), before);
  });

  test('and only its own parts run, whatever else a site has', async () => {
    const { dovecot, elsewhere } = await busySite(rig());
    const before = await published(rig());
    assertMade(await withOwnTmp(rig(), () => rig().examine({ only: ONLY, dovecot })));
    assert.deepEqual(await traces(rig()), before);
    assert.deepEqual(await readdir(elsewhere), []);
  });

  test('and leaves nothing behind when nobody takes what it says', async () => {
    const before = await published(rig());
    const url = 'http://127.0.0.1:1';
    const report = await withOwnTmp(rig(), () =>
      rig().examine({
        only: ['events-delivery'],
        dovecot:
          rig().stage.dovecot.version === '2.3'
            ? `plugin {\n  coi_sidecar_url = ${url}\n}`
            : `push_notification coi {\n  lua_settings {\n    coi_sidecar_url = ${url}\n  }\n}`,
      }),
    );
    assert.deepEqual(faultsOf(report), ['events-delivery.not-heard']);
    assert.deepEqual(await traces(rig()), before);
  });

  test('over HTTP, where Sieve starts a program', async () => {
    const { stage } = rig();
    const binDir = join(stage.dovecot.layout.coiDir, 'bin');
    const lines = `sieve_execute_socket_dir =\nsieve_execute_bin_dir = ${binDir}\nsieve_execute_exec_timeout = 5s`;
    const dovecot = stage.dovecot.version === '2.3' ? `plugin {\n${lines}\n}` : lines;
    assertMade(await rig().examine({ only: ['classify-delivery'], dovecot }), [
      'classify-delivery',
    ]);
  });

  test('by the "ox" driver, for whom nobody has an annotation', async () => {
    const ox = await startDoctorRig({ version: rig().stage.dovecot.version, events: 'ox' });
    try {
      const before = await published(ox);
      const report = await ox.examine({ only: ['events-delivery'] });
      assertMade(report, ['events-delivery']);
      assert.deepEqual(report.checks[0]?.notes, ['by "ox"']);
      assert.deepEqual(await traces(ox), before);
    } finally {
      await ox.close();
    }
  });

  test('not by the "ox" driver where Dovecot keeps the annotations, and says so', async () => {
    const { version } = rig().stage.dovecot;
    const ox = await startDoctorRig({ version, events: 'ox', metadata: 'doveadm' });
    const report = await ox.examine({ only: ['events-delivery'] }).finally(() => ox.close());
    assert.equal(report.checks[0]?.verdict, 'unknown');
    assert.match(String(report.checks[0].skipped), /users with an annotation only/);
  });

  test('as a stand-in, where each user has an own uid', async () => {
    const { sockets, version } = rig().stage.dovecot;
    const report = await withMode(0o666)(sockets.classify, () =>
      rig().examine({ only: ONLY, dovecot: OWN_UIDS[version] }),
    );
    assertMade(report);
  });

  test('and blames no permissions of a stand-in’s', async () => {
    const { coiDir } = rig().stage.dovecot.layout;
    const hidden = [join(coiDir, 'coi-report.lua'), rig().stage.dovecot.sockets.classify] as const;
    const report = await withMode(0o600)(hidden[0], () =>
      withMode(0o600)(hidden[1], () =>
        rig().examine({ only: ONLY, dovecot: OWN_UIDS[rig().stage.dovecot.version] }),
      ),
    );
    assert.deepEqual(faultsOf(report), [], JSON.stringify(report));
    for (const { verdict, skipped } of report.checks) {
      assert.equal(verdict, 'unknown');
      assert.match(String(skipped), /Permission denied.* name one with --user/);
    }
  });

  test('not by a script that is not there, and says so', async () => {
    const { version } = rig().stage.dovecot;
    const dovecot =
      version === '2.3'
        ? 'plugin {\n  sieve_before =\n}'
        : 'sieve_script coi {\n  path = /nowhere/other.sieve\n}';
    const report = await rig().examine({ only: ['classify-delivery'], dovecot });
    assert.equal(report.checks[0]?.verdict, 'unknown');
    assert.match(String(report.checks[0].skipped), /no "before" script of Sieve is coi\.sieve/);
  });

  test('not where the service says nothing of it, and says so', async () => {
    const report = await rig().examine({
      only: ONLY,
      config: { http: { token: 'another-token-than-it-has' } },
    });
    for (const { verdict, skipped } of report.checks) {
      assert.equal(verdict, 'unknown');
      assert.match(String(skipped), /says nothing of such deliveries/);
    }
  });

  test('not where there is no dovecot-lda, and says so', async () => {
    const report = await rig().examine({ only: ONLY, dovecot: 'libexec_dir = /nowhere' });
    for (const { verdict, skipped } of report.checks) {
      assert.equal(verdict, 'unknown');
      assert.deepEqual(skipped, ['there is no /nowhere/dovecot-lda']);
    }
  });
}
