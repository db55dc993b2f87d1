import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Classify } from '../../src/coi/classify.ts';
import { createProbes, PROBE_USER, probeSubject } from '../../src/events/probes.ts';

const delivered = (user: string, subject?: string) => ({
  user,
  events: [
    {
      event: 'MessageNew' as const,
      ...{ mailbox: 'INBOX', uid: 1, uidvalidity: 1 },
      ...(subject !== undefined && { subject }),
    },
  ],
});

const message = (id: string): Buffer =>
  Buffer.from(`Chat-Version: 1.0\r\nSubject: ${probeSubject(id)}\r\n\r\nHello\r\n`);

const filed: Classify = () => Promise.resolve({ action: 'file', mailbox: 'COI/Chats' });

describe('probes', () => {
  it('are reported as they come, each road for itself', async () => {
    const probes = createProbes();
    const [id, other] = [randomUUID(), randomUUID()];
    assert.deepEqual(probes.report(id), { classified: false, reported: false });
    assert.deepEqual(await probes.guard(filed)(PROBE_USER, message(id)), { action: 'keep' });
    assert.deepEqual(probes.report(id), { classified: true, reported: false });
    assert.ok(probes.take(delivered(PROBE_USER, probeSubject(id))));
    assert.deepEqual(probes.report(id), { classified: true, reported: true });
    assert.deepEqual(probes.report(other), { classified: false, reported: false });
  });

  it('end here, whatever they say and wherever they waited', () => {
    const probes = createProbes();
    assert.ok(probes.take(delivered(PROBE_USER)));
    assert.ok(
      probes.take({ user: PROBE_USER, events: [{ event: 'MailboxCreate', mailbox: 'x' }] }),
    );
  });

  it('are nobody else’s mail, though it look like one', async () => {
    const probes = createProbes();
    const id = randomUUID();
    assert.equal(probes.take(delivered('alice', probeSubject(id))), false);
    assert.equal((await probes.guard(filed)('alice', message(id))).action, 'file');
    assert.deepEqual(probes.report(id), { classified: false, reported: false });
  });

  it('have an id; another sample for nobody is classified as all mail is', async () => {
    const sample = Buffer.from(`Subject: ${PROBE_USER}\r\nChat-Version: 1.0\r\n\r\n`);
    assert.equal((await createProbes().guard(filed)(PROBE_USER, sample)).action, 'file');
  });

  it('are forgotten, the oldest first', () => {
    const probes = createProbes();
    const ids = Array.from({ length: 33 }, () => randomUUID());
    for (const id of ids) probes.take(delivered(PROBE_USER, probeSubject(id)));
    const known = ids.filter((id) => probes.report(id).reported);
    assert.deepEqual(known, ids.slice(1));
  });
});
