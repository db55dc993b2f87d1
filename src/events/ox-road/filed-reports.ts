import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { isTemporary } from '../../dovecot/doveadm-client.ts';
import { errorMessage, UnavailableError } from '../../errors.ts';
import type { Logger } from '../../logging.ts';
import type { LocateMessages } from '../../messages/locate-messages.ts';
import { CHAT_KEYWORD, type Transaction } from '../event-schema.ts';

export interface FiledReportsParts {
  locate: LocateMessages;
  wantsPushes: (user: string) => Promise<boolean>;
  /** Takes in the event that Dovecot does not report. */
  take: (transaction: Transaction) => Promise<unknown>;
  clock: Clock;
  log: Logger;
  /** Milliseconds before each look at the mailbox; given by tests. */
  pauses?: readonly number[];
}

/** Chat that Sieve was told to file, on its way to being reported. */
export interface FiledReports {
  /** Sieve is about to store a message with this Message-ID in the mailbox. */
  expect(user: string, mailbox: string, messageId: string): void;
  /** Since when the oldest is waited for, in milliseconds since the epoch; undefined when none is. */
  oldest(): number | undefined;
  /** Gives up what has not come yet; {@link createCatchUp} finds it after the next start. */
  stop(): Promise<void>;
}

/** A delivery ends some milliseconds after its classification; half a minute is far too long. */
const PAUSES = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800];
/** Each costs a doveadm call now and then. Past it, what came first is given up. */
const MOST_EXPECTED = 10_000;

/**
 * The `ox` driver watches INBOX only, so nobody reports chat that was filed elsewhere. But Sieve asked
 * where to file it: that is as good as a report, once the message is there and has a uid.
 */
export function createFiledReports(parts: FiledReportsParts): FiledReports {
  const { locate, clock, log, pauses = PAUSES } = parts;
  const stopping = new AbortController();
  const expected = new Map<Promise<void>, number>();

  async function report(user: string, mailbox: string, messageId: string): Promise<void> {
    const since = clock.now();
    if (!(await parts.wantsPushes(user))) return;
    for (let attempt = 0; attempt < pauses.length;) {
      await sleep(pauses[attempt], undefined, { signal: stopping.signal });
      const finding = locate(user, [{ mailbox, messageId }], since);
      const place = await finding.then(first).catch((error: unknown) => {
        const isPassing =
          error instanceof UnavailableError || (isTemporary(error) && ++attempt < pauses.length);
        if (!isPassing) throw error;
        return 'nobody answers' as const;
      });
      if (place === 'nobody answers') {
        await sleep(pauses.at(-1), undefined, { signal: stopping.signal });
        continue;
      }
      if (place !== undefined) {
        const event = { event: 'MessageNew' as const, ...place, keywords: [CHAT_KEYWORD] };
        await parts.take({ user, events: [{ ...event, message_id: `<${messageId}>` }] });
        return;
      }
      attempt++;
    }
    log.debug({ user, mailbox }, 'chat was to be filed and is not there; its delivery failed');
  }

  return {
    expect: (user, mailbox, messageId) => {
      if (expected.size >= MOST_EXPECTED) {
        log.warn({ user }, 'too much filed chat waits to be found; this one will not be pushed');
        return;
      }
      const work = report(user, mailbox, messageId)
        .catch((error: unknown) => {
          if (stopping.signal.aborted) return;
          log.warn({ user, reason: errorMessage(error) }, 'filed chat will not be pushed');
        })
        .finally(() => expected.delete(work));
      expected.set(work, clock.now());
    },
    oldest: () => expected.values().next().value,
    stop: async () => {
      stopping.abort();
      await Promise.allSettled(expected.keys());
    },
  };
}

const first = <T>([one]: readonly T[]): T | undefined => one;
