import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { tellSupervisor } from '../../src/cli/tell-supervisor.ts';
import { recordLog } from '../support/record-log.ts';

// A stand-in for systemd-notify, since there is no systemd in most places where tests run; with the
// real one: scripts/test-deb.sh.
describe('telling systemd that the service is ready', () => {
  let dir: string;
  let told: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-notify-'));
    told = join(dir, 'told');
    const program = join(dir, 'systemd-notify');
    await writeFile(
      program,
      `#!/bin/sh\necho "$NOTIFY_SOCKET $*$COI_SIDECAR_HTTP_TOKEN" >>'${told}'\nexit $STATUS\n`,
    );
    await chmod(program, 0o755);
  });
  after(() => rm(dir, { recursive: true }));

  const withSocket = (status: string): NodeJS.ProcessEnv => ({
    PATH: `${dir}${delimiter}${process.env['PATH']}`,
    NOTIFY_SOCKET: '/run/systemd/notify',
    STATUS: status,
    COI_SIDECAR_HTTP_TOKEN: 'a secret, which is not for others',
  });

  it('is done once, by systemd’s own program', async () => {
    const { log, lines } = recordLog();
    await tellSupervisor(log, withSocket('0'));
    assert.equal(await readFile(told, 'utf8'), '/run/systemd/notify --ready\n');
    assert.deepEqual(lines, []);
  });

  it('is not done where nobody wants to know', async () => {
    await rm(told, { force: true });
    const { log, lines } = recordLog();
    await tellSupervisor(log, { PATH: dir });
    await assert.rejects(readFile(told), { code: 'ENOENT' });
    assert.deepEqual(lines, []);
  });

  it('harms nothing when it fails, or when there is no such program', async () => {
    for (const env of [withSocket('1'), { ...withSocket('0'), PATH: '/nowhere' }]) {
      const { log, lines } = recordLog();
      await tellSupervisor(log, env);
      assert.equal(lines.length, 1);
      assert.match(JSON.stringify(lines), /cannot tell systemd/);
    }
  });
});
