/** A process of its own: push services that behave well or badly, and users who have subscribed there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ImapClient } from '../support/imap-client.ts';
import { makeCertificates } from '../support/make-certificates.ts';
import { hang } from '../support/push-answers.ts';
import { answerWith, type Answer } from '../support/push-service.ts';
import {
  startScriptedPushService,
  type ScriptedPushService,
} from '../support/scripted-push-service.ts';
import { VENDOR } from '../support/start-stage.ts';
import { subscribe } from '../support/subscribe.ts';

/** Sent to this process once the sidecar runs; the answer is `ready`. */
export interface SubscribeOrder {
  imap: { host: string; port: number };
  password: string;
}

const SUBSCRIPTIONS = 3;
const SLOW_MSECS = 1_500;

const slowly: Answer = (response) => {
  void sleep(SLOW_MSECS).then(() => response.writeHead(201).end());
};

/** Users by what their push service does from the moment that they have subscribed. */
const MISBEHAVE: Record<string, (service: ScriptedPushService) => unknown> = {
  'at-once': (service) => (service.behave = answerWith(201)),
  slow: (service) => (service.behave = slowly),
  hangs: (service) => (service.behave = hang),
  down: (service) => service.down(),
};

async function makeUser(name: string, { imap, password }: SubscribeOrder): Promise<void> {
  const client = await ImapClient.open(imap, { user: name, password });
  await client.setMetadata('', `${VENDOR}/coi/config/enabled`, 'yes');
  const service = await startScriptedPushService();
  for (let count = 0; count < SUBSCRIPTIONS; count++) {
    await subscribe(client, await service.addUserAgent());
  }
  await client.close();
  await MISBEHAVE[name]?.(service);
}

process.once('message', (order: SubscribeOrder) => {
  void Promise.all(Object.keys(MISBEHAVE).map((name) => makeUser(name, order))).then(() =>
    process.send?.('ready'),
  );
});
process.once('disconnect', () => process.exit());
process.send?.({ ca: makeCertificates().ca });
