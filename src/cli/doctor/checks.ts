import type { Check } from './check.ts';
import { annotations } from './checks/annotations.ts';
import { capability } from './checks/capability.ts';
import { classifyDelivery } from './checks/classify-delivery.ts';
import { classifyProgram } from './checks/classify-program.ts';
import { classifySocket } from './checks/classify-socket.ts';
import { clock } from './checks/clock.ts';
import { configuration } from './checks/configuration.ts';
import { dictSocket } from './checks/dict-socket.ts';
import { disk } from './checks/disk.ts';
import { doveadmApi } from './checks/doveadm-api.ts';
import { doveadmSocket } from './checks/doveadm-socket.ts';
import { dovecot } from './checks/dovecot.ts';
import { eventLog } from './checks/event-log.ts';
import { eventsDelivery } from './checks/events-delivery.ts';
import { eventsDriver } from './checks/events-driver.ts';
import { eventsUrl } from './checks/events-url.ts';
import { lda } from './checks/lda.ts';
import { metadata } from './checks/metadata.ts';
import { mta } from './checks/mta.ts';
import { names } from './checks/names.ts';
import { namespace } from './checks/namespace.ts';
import { notices } from './checks/notices.ts';
import { plugins } from './checks/plugins.ts';
import { pushServices } from './checks/push-services.ts';
import { readiness } from './checks/readiness.ts';
import { secrets } from './checks/secrets.ts';
import { service } from './checks/service.ts';
import { sieve } from './checks/sieve.ts';
import { tokens } from './checks/tokens.ts';
import { trip } from './checks/trip.ts';

/** All of them, in the order in which they are made and reported. */
export const checks: readonly Check[] = [
  ...[configuration, service, readiness, tokens, disk, clock],
  ...[dovecot, mta, plugins, lda, names, namespace, secrets],
  ...[eventsDriver, eventsUrl, eventsDelivery, eventLog],
  ...[sieve, classifySocket, classifyProgram, classifyDelivery],
  ...[metadata, dictSocket, annotations, notices, capability],
  ...[doveadmApi, doveadmSocket],
  pushServices,
  trip,
];
