import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import { newAccount } from './conformance/steps.ts';

const { dictValueOctets: MOST } = SOCKET_LIMITS;
const ENTRY = '/private/comment';

/** Dovecot's file dict takes these; on the way to a dict server each line end becomes two octets. */
const lines = (octets: number): string => 'x\r\n'.repeat(octets / 3).padEnd(octets, '\n');

describeVersions('long annotations', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
  });

  for (const [what, value] of [
    ['65,536 octets', 'x'.repeat(65_536)],
    ['200,000 octets', 'x'.repeat(200_000)],
    ['200,000 octets that need escaping', lines(200_000)],
    ['as many as are taken, all escaped', '\n'.repeat(MOST)],
  ] as const) {
    it(`${what}: kept, and given back as they are`, async () => {
      const { client, user } = await newAccount(stage);
      for (const [mailbox, entry] of [
        ['', ENTRY],
        ['INBOX', '/shared/comment'],
      ] as const) {
        const { status, text } = await client.setMetadata(mailbox, entry, value);
        assert.equal(status, 'OK', text);
        assert.ok((await client.getMetadata(mailbox, [entry])).get(entry) === value);
      }
      const deep = await client.getMetadata('', [ENTRY], 'infinity');
      assert.ok(deep.get(ENTRY) === value);
      const args = ['mailbox', 'metadata', 'get', '-u', user, '-s', '', ENTRY];
      assert.ok((await stage.dovecot.runDoveadm(args)).stdout === `${value}\n`);
    });
  }

  it('one octet more is refused, by name, and what was there stays', async () => {
    const { client } = await newAccount(stage);
    await client.setMetadata('', ENTRY, 'before');
    const { status } = await client.setMetadata('', ENTRY, 'x'.repeat(MOST + 1));
    assert.equal(status, 'NO');
    assert.equal((await client.setMetadata('', ENTRY, '\n'.repeat(3 * MOST))).status, 'NO');
    assert.equal((await client.getMetadata('', [ENTRY])).get(ENTRY), 'before');
    // Dovecot's log process writes them a moment later.
    const refusals = await eventually(() => {
      const lines = stage.dovecot.errors().filter((line) => line.includes('commit failed'));
      assert.equal(lines.length, 2, lines.join('\n'));
      return lines.join('\n');
    });
    assert.ok(refusals.includes(`the value is longer than ${MOST} octets`));
    assert.match(refusals, /longer than \d+ octets in a request/);
  });
});
