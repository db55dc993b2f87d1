import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { buildGround, type Ground } from '../../src/app/build-ground.ts';
import { systemSleep } from '../../src/clock.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { createLogger } from '../../src/logging.ts';
import type { NewPush } from '../../src/stores/outbox-store.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { ManualClock } from '../support/manual-clock.ts';

const HOUR = 3_600_000;

describe('a push that was sent', () => {
  const directory = makeTempDir();
  after(directory.remove);
  let serial = 0;

  async function ground(messageTtl: string, clock: ManualClock): Promise<Ground> {
    const at = (name: string): string => `${directory.path}/${++serial}-${name}`;
    const config = {
      http: { token: 'a-token-for-dovecot' },
      webpush: { message_ttl: messageTtl },
      store: { url: `sqlite:${at('state.db')}` },
      outbox: { path: at('outbox.db') },
      events: { dir: at('events') },
      spool: { dir: at('spool') },
      doveadm: { api_key: 'a-key' },
    };
    const log = createLogger('silent');
    return buildGround(readConfig(JSON.stringify(config)), log, clock, systemSleep);
  }

  const push = (clock: ManualClock): NewPush => ({
    ...{ user: 'alice', subscriptionId: 's', endpoint: 'https://push.example.net/1' },
    ...{ kind: 'message', payload: '{}', urgency: 'normal', dedupeKey: 'a message' },
    ...{ createdAt: clock.now(), expiresAt: clock.now() + 1_000 * HOUR },
  });

  for (const [messageTtl, msecs] of [
    ['1 hour', 24.5 * HOUR],
    ['24 hours', 24.5 * HOUR],
    ['7 days', 7 * 24 * HOUR],
  ] as const) {
    it(`is remembered while its event may be repeated and it would be worth sending: ${messageTtl}`, async () => {
      const clock = new ManualClock();
      const opened = await ground(messageTtl, clock);
      const { outbox } = opened;
      const [owed] = await outbox.add([push(clock)]);
      await outbox.settle([owed!.id]);
      clock.step(msecs);
      assert.deepEqual(await outbox.add([push(clock)]), []);
      await opened.close();
    });
  }
});
