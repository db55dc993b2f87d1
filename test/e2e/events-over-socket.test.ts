import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';

const skip = dovecotVersions.find(({ version }) => version === '2.4')?.skip ?? false;

describe('events over http.socket, as 95-coi-events.conf of 2.4 offers it', { skip }, () => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version: '2.4', config: { http: { mode: '0666' } } });
    teardown.defer(() => stage.close());
    const socket = join(stage.dovecot.layout.sidecarDir, 'http.sock');
    // A name that leads nowhere: by TCP no event would arrive.
    await stage.dovecot.reconfigure(`push_notification coi {
  http_client_proxy_socket_path = ${socket}
  lua_settings {
    coi_sidecar_url = http://coi-sidecar.invalid
    coi_sidecar_events_dir =
  }
}`);
  });

  it('a delivery is reported, and nothing is left over', async () => {
    const heard = async (): Promise<string> =>
      await (await fetch(new URL('/metrics', stage.app.url))).text();
    await eventually(async () => {
      const user = stage.freshUser();
      const message = `From: alice@example.org\r\nTo: ${user}\r\n\r\nHej!\r\n`;
      await deliver(stage.dovecot.lmtp, 'alice@example.org', [user], message);
      assert.match(await heard(), /^coi_events_total\{[^}]*MessageNew[^}]*\} [1-9]/m);
    }, 20_000);
    assert.deepEqual(
      stage.dovecot.errors().filter((line) => /coi/.test(line)),
      [],
    );
  });
});
