import { CUT } from '../any-answer-service.ts';
import type { Chance } from '../chance.ts';
import { DictConnection } from '../dict-connection.ts';
import { INBOX_GUID, type Door, type Target } from '../door.ts';
import { Finding, findSlip } from '../finding.ts';
import { escapeField } from './dict-doors.ts';
import { AUTH, P256DH } from '../../webpush/subscriptions/subscription-fixtures.ts';

const OWN = `priv/${INBOX_GUID}/vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/`;
const ACCOUNTS = Array.from({ length: 60 }, (_, index) => `subscriber${index}@example.org`);
/** Stands for an endpoint of the push service, which has another port in each run. */
const OURS = 'https://push.invalid/ours';

/** Sets one of the specification's entries, reads it, removes it; each has its one reply. */
async function setEntry(target: Target, user: string, entry: string, value: Buffer): Promise<void> {
  const client = new DictConnection(target.dictSocket);
  try {
    await client.send([
      `B1\t${user}\t0`,
      `S1\t${OWN}${entry}\t${escapeField(value.toString('latin1'))}`,
    ]);
    const reply = await client.command('C1', false);
    if (reply === undefined) return;
    await client.command(`L${OWN}${entry}\t${user}`, false);
    await client.send([`B2\t${user}\t0`, `U2\t${OWN}${entry}`]);
    await client.command('C2', false);
    const text = reply.letter + reply.fields.join(' ');
    const slip = findSlip(text);
    if (slip !== undefined) throw new Finding(`dict reply: ${slip}`, text);
    if (text.includes(target.push.origin)) throw new Finding('endpoint in an answer', text);
  } finally {
    client.end();
  }
}

function makeSubscription(chance: Chance): unknown {
  const good = {
    client: 'c',
    device: 'd',
    msgtype: chance.pick(['all', 'chat', 'mail', 'any', 'email']),
    resource: { endpoint: OURS, keys: { p256dh: P256DH, auth: AUTH } },
  };
  const key = chance.pick([
    chance.octets(65),
    chance.octets(16),
    Buffer.alloc(65, 4),
    Buffer.from('04', 'hex'),
  ]);
  const endpoint = chance.pick([
    ...[
      'https://127.0.0.1',
      'http://localhost:1/',
      'https://[::1]/',
      'https://0x7f.1/',
      'https:///',
    ],
    ...['https://a:b@push.invalid/', 'https://push.invalid:99999/', `https://${chance.text()}/`],
    ...[`https://push.invalid/${'x'.repeat(chance.below(600))}`, chance.text(), OURS],
  ]);
  return chance.pick([
    good,
    chance.distort(good),
    { ...good, resource: { ...good.resource, endpoint } },
    {
      ...good,
      resource: { endpoint: OURS, keys: { p256dh: key.toString('base64url'), auth: AUTH } },
    },
    {
      ...good,
      resource: { endpoint: OURS, keys: { p256dh: P256DH, auth: key.toString('base64') } },
    },
  ]);
}

/** Values of the specifications' entries, as any IMAP user may set them. */
const valuesDoor: Door = {
  name: 'imap annotations',
  lanes: 4,
  make: (chance) => {
    const entry = chance.pick([
      `webpush/subscriptions/subscription-${chance.below(8)}`,
      `webpush/subscriptions/subscription-${chance.below(8)}`,
      `webpush/subscriptions/subscription-${chance.below(8)}/validate`,
      ...['coi/config/enabled', 'coi/config/message-filter', 'coi/config/mailbox-root'],
      ...['webpush/vapid', 'webpush/subscriptions/', 'coi/config/x'],
    ]);
    const value = entry.startsWith('webpush/subscriptions/')
      ? Buffer.from(JSON.stringify(makeSubscription(chance)).toWellFormed())
      : Buffer.from(chance.oneIn(2) ? chance.pick(['yes', 'active', 'seen']) : chance.text());
    const changed = chance.oneIn(4) ? chance.mutate(value) : value;
    const head = `${chance.pick(ACCOUNTS)}\n${entry}\n`;
    return Buffer.concat([Buffer.from(head), changed.subarray(0, 30_000)]);
  },
  deliver: async (octets, target) => {
    const [user = '', entry = ''] = octets.toString('latin1').split('\n', 2);
    const value = octets.subarray(user.length + entry.length + 2).toString('latin1');
    const endpoint = target.push.endpoint(CUT);
    await setEntry(target, user, entry, Buffer.from(value.replaceAll(OURS, endpoint), 'latin1'));
    target.push.forget(endpoint);
  },
};

function makeAnswer(chance: Chance): Buffer {
  const status = chance.pick([
    200, 201, 204, 301, 400, 401, 403, 404, 406, 410, 413, 429, 500, 503, 100, 999,
  ]);
  const body = chance.pick([
    '',
    chance.text(),
    '<'.repeat(chance.below(chance.oneIn(100) ? 17_000 : 200)),
    JSON.stringify(chance.json()).toWellFormed(),
    'x'.repeat(chance.below(chance.oneIn(50) ? 1_000_000 : 100)),
  ]);
  const headers = [
    ...chance.some(
      1,
      () =>
        `Retry-After: ${chance.pick([String(chance.number()), 'Fri, 31 Dec 1999 23:59:59 GMT', '86400', chance.text(20)])}`,
    ),
    ...chance.some(1, () => `Location: ${chance.pick(['https://127.0.0.1/', chance.text()])}`),
    ...chance.some(1, () => `Content-Encoding: ${chance.pick(['gzip', 'br', chance.text(10)])}`),
    ...chance.some(
      2,
      () => `X-${chance.below(9)}: ${'y'.repeat(chance.below(chance.oneIn(30) ? 40_000 : 40))}`,
    ),
    chance.oneIn(5)
      ? 'Transfer-Encoding: chunked'
      : `Content-Length: ${chance.oneIn(8) ? chance.number() : Buffer.byteLength(body)}`,
  ];
  const octets = Buffer.from(
    `HTTP/1.1 ${status} ${chance.pick(['Created', '', chance.text(10)])}\r\n${headers.join('\r\n')}\r\n\r\n${body}`,
  );
  if (chance.oneIn(20)) return chance.pick([CUT, chance.octets(400)]);
  return chance.oneIn(5) ? chance.mutate(octets) : octets;
}

/** Answers to a validation push, which a subscription made for it sets off. */
const answersDoor: Door = {
  name: 'push services',
  lanes: 6,
  make: makeAnswer,
  deliver: async (octets, target) => {
    const endpoint = target.push.endpoint(octets);
    const index = target.push.requests % ACCOUNTS.length;
    const value = {
      msgtype: 'all',
      resource: { endpoint, keys: { p256dh: P256DH, auth: AUTH } },
    };
    const entry = `webpush/subscriptions/${endpoint.slice(-36)}`;
    await setEntry(target, ACCOUNTS[index] ?? '', entry, Buffer.from(JSON.stringify(value)));
    target.push.forget(endpoint);
  },
};

export const ANNOTATION_DOORS = [valuesDoor, answersDoor];
