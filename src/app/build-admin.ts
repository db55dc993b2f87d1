import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { createListMailboxGuids } from '../dovecot/mailbox-guids.ts';
import { adminRoutes } from '../http/routes/admin.ts';
import { createExportAnnotations } from '../metadata/transfer/export-annotations.ts';
import { createImportAnnotations } from '../metadata/transfer/import-annotations.ts';
import { createForgetUser } from '../metadata/forget-user.ts';
import { createUserAdministration } from '../metadata/user-administration.ts';
import { createSendTest } from '../webpush/delivery/send-test.ts';
import { removeRawlogs } from '../webpush/rawlog/remove-rawlogs.ts';
import type { Domain } from './build-domain.ts';
import type { Flows } from './build-flows.ts';
import type { Ground } from './build-ground.ts';

/** What administrators can ask and do, as routes. */
export function buildAdmin(
  ground: Ground,
  domain: Domain,
  { source, journal, logs, oldSpool }: Flows,
): FastifyPluginAsyncTypebox {
  const { config, store, doveadm, clock, log, recent } = ground;
  const { subscriptions, vapidKeys, throttle, testReceivers, delivery, folders } = domain;
  const { rawlog_dir: rawlogDir } = config.webpush;
  const listMailboxes = createListMailboxGuids(doveadm);
  const kept = { store, subscriptions, vapidKeys, listMailboxes };
  return adminRoutes({
    ...{ throttle, testReceivers, delivery },
    users: createUserAdministration({
      ...{ store, subscriptions, vapidKeys, throttle },
      // What was done is done; the next look at the user's annotations shows it.
      publish: (user) =>
        source
          .publish(user)
          .catch((error: unknown) => log.warn({ err: error, user }, 'cannot publish')),
      sendTest: createSendTest(delivery, clock),
    }),
    forgetUser: createForgetUser({
      ...{ ...kept, throttle },
      renewFilter: () => ground.renewFilter(),
      forgetPushes: (user) => delivery.forget(user),
      forgetEvents: async (user) => {
        await Promise.all([oldSpool.takeIn(), logs.takeIn()]);
        const removed = (await journal.forget(user)) + (await oldSpool.forget(user));
        logs.renew();
        return removed;
      },
      removeRawlogs: async (user) => {
        await domain.rawlog?.flush();
        return rawlogDir === '' ? 0 : removeRawlogs(rawlogDir, user);
      },
      forgetCached: (user) => {
        source.forget(user);
        recent.forget(user);
        domain.blockedContacts.forget(user);
      },
    }),
    importAnnotations: createImportAnnotations({
      ...kept,
      mailboxRoot: folders.names.root,
      now: () => clock.now(),
    }),
    exportAnnotations: createExportAnnotations(kept),
    source: config.metadata.source,
    forget: () => {
      source.forget();
      vapidKeys.forget();
    },
  });
}
