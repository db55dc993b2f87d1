import { createECDH, randomBytes } from 'node:crypto';
import { COI_ENTRIES, type MessageFilter } from '../../src/coi/settings.ts';
import { createLogger } from '../../src/logging.ts';
import { openStore } from '../../src/stores/open-store.ts';
import type { Change } from '../../src/stores/store.ts';
import { NO_DELIVERIES } from '../../src/webpush/subscriptions/delivery-history.ts';
import {
  encodeRecord,
  subscriptionKey,
} from '../../src/webpush/subscriptions/subscription-record.ts';

export interface SeededUsers {
  names: readonly string[];
  /** Each user's; message-filter counts with COI enabled only. */
  filter: MessageFilter;
  /** Validated subscriptions of each user, one at each of these push services. */
  origins: readonly string[];
}

/** Commits that wait for the disk together. */
const AT_A_TIME = 1_000;

/** Writes users as they stand after they enabled COI and validated their subscriptions. */
export async function seedStore(url: string, users: SeededUsers): Promise<void> {
  const store = await openStore(url, { log: createLogger('warn') });
  for (let at = 0; at < users.names.length; at += AT_A_TIME) {
    const names = users.names.slice(at, at + AT_A_TIME);
    await Promise.all(names.map((name) => store.commit(name, entriesOf(users))));
  }
  await store.close();
}

const entriesOf = ({ filter, origins }: SeededUsers): Change[] => [
  { op: 'set', key: COI_ENTRIES.enabled, value: Buffer.from('yes') },
  { op: 'set', key: COI_ENTRIES.messageFilter, value: Buffer.from(filter) },
  ...origins.map((origin, index) => subscription(`subscription-${index}`, origin)),
];

/** Subscriptions may share a public key without anybody noticing; making one takes a while. */
const p256dh = createECDH('prime256v1').generateKeys('base64url');

function subscription(id: string, origin: string): Change {
  const auth = randomBytes(16).toString('base64url');
  const value = encodeRecord({
    active: {
      subscription: {
        created: '2024-01-01T00:00:00Z',
        validated: true,
        client: 'bench',
        device: 'desk',
        msgtype: 'all',
        resource: { endpoint: `${origin}/push/${auth}`, keys: { p256dh, auth } },
      },
      tokenHash: '',
      expiresAt: 0,
      history: NO_DELIVERIES,
    },
  });
  return { op: 'set', key: subscriptionKey(id), value };
}
