import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { makeEventLog } from '../support/event-logs.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { startRecordingHttpServer } from '../support/recording-http-server.ts';

const DELIVERIES = 30;

/** Lua's collector at work at nearly every allocation, as it may be at any of them. */
const EAGER = "collectgarbage('setpause', 50) collectgarbage('setstepmul', 400)\n";

for (const { version, skip } of dovecotVersions)
  describe(`lua/coi.lua in Dovecot ${version}, whenever Lua collects its garbage`, { skip }, () => {
    for (const status of [204, 503])
      it(`survives an answer of ${status}: no process dies, no event is lost`, async () => {
        await using http = await startRecordingHttpServer(() => ({ status, body: 'said why' }));
        const dovecot = await startPrivateDovecot({
          version,
          metadata: 'none',
          classify: 'none',
          sidecar: { url: http.url, token: 'a-token' },
        });
        const log = await makeEventLog(dovecot.eventsDir, dovecot.mailUid);
        try {
          const script = join(dovecot.layout.coiDir, 'coi.lua');
          await writeFile(script, EAGER + (await readFile(script, 'utf8')));
          for (let count = 0; count < DELIVERIES; count++) {
            const message = `Subject: ${'x'.repeat(900)}\r\nMessage-ID: <${count}@x>\r\n\r\nHi\r\n`;
            const { replies } = await deliver(dovecot.lmtp, 'a@example.org', ['alice'], message);
            assert.equal(replies[0]?.code, 250);
          }
          const kept = dovecot
            .errors()
            .filter((line) => line.endsWith(': they wait in the event log'));
          assert.equal(kept.length, status === 204 ? 0 : DELIVERIES);
          assert.equal(log.read().length, kept.length);
          if (status === 204) assert.equal(http.requests.length, DELIVERIES);
          assert.deepEqual(
            dovecot.errors().filter((line) => !kept.includes(line)),
            [],
          );
        } finally {
          await dovecot.stop();
        }
      });
  });
