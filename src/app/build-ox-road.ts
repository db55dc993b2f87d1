import { createAliveMarker } from '../events/ox-road/alive-marker.ts';
import { createCatchUp } from '../events/ox-road/catch-up.ts';
import type { Transaction } from '../events/event-schema.ts';
import { createFiledReports } from '../events/ox-road/filed-reports.ts';
import type { Intake } from '../events/intake.ts';
import type { ListMessages } from '../messages/list-messages.ts';
import { createLocateMessages } from '../messages/locate-messages.ts';
import type { MetadataSource } from '../metadata/metadata-source.ts';
import type { Domain } from './build-domain.ts';
import type { Ground } from './build-ground.ts';

/** What makes up for that which the `ox` driver does not report (`events.driver: ox`). */
export interface OxRoad {
  /** Sieve is about to file a message. */
  onFile(user: string, mailbox: string, messageId: string): void;
  /** Looks for mail that came while nobody was here; does not wait for it. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface OxRoadParts {
  source: MetadataSource;
  list: ListMessages;
  take: Intake['take'];
  /** Owes a transaction; durable when it resolves. */
  keep: (transaction: Transaction) => Promise<void>;
}

export function buildOxRoad(
  { config, store, clock, log }: Ground,
  { folders, subscriptions }: Domain,
  { source, list, take, keep }: OxRoadParts,
): OxRoad {
  const filed = createFiledReports({
    ...{ take, clock, log },
    locate: createLocateMessages(list),
    wantsPushes: (user) => subscriptions.wantsAny(user),
  });
  const catchUp = createCatchUp({
    users: () => store.users(),
    settings: (user) => source.settings(user),
    wantsPushes: (user) => subscriptions.wantsAny(user),
    ...{ list, keep, log },
    folders: folders.names,
  });
  const alive = createAliveMarker({
    dir: config.events.dir,
    oldDir: config.spool.dir,
    caughtUp: () => filed.oldest() ?? clock.now(),
    log,
  });
  let stopped = false;
  return {
    onFile: (user, mailbox, messageId) => filed.expect(user, mailbox, messageId),
    start: async () => {
      const since = await alive.read();
      const caughtUp = since === undefined ? Promise.resolve() : catchUp.run(since);
      caughtUp
        .then(() => {
          if (!stopped) alive.start();
        })
        .catch((error: unknown) => log.error({ err: error }));
    },
    stop: async () => {
      stopped = true;
      await alive.stop();
      await filed.stop();
      await catchUp.stop();
    },
  };
}
