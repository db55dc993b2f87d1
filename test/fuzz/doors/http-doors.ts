import type { Chance } from '../chance.ts';
import { USERS, type Door, type Target } from '../door.ts';
import { exchangeHttp, formatRequest, type HttpRequest } from '../http-answers.ts';
import { makeMessage } from '../messages.ts';
import { SUBSCRIBERS } from '../right-dialogue.ts';
import { makeTransaction } from '../transactions.ts';

/** Stands in an input where the service's own token is to stand when it is delivered. */
const TOKEN = 'Bearer TOKEN-OF-DOVECOT';
const ADMIN = 'Bearer TOKEN-OF-ADMIN';

const JSON_BODY = { authorization: TOKEN, 'content-type': 'application/json' };

function deliverHttp(what: string): Door['deliver'] {
  return async (octets, target) => {
    await exchangeHttp(withTokens(octets, target), target, what);
  };
}

function withTokens(octets: Buffer, { token, adminToken }: Target): Buffer {
  const at = octets.indexOf('Bearer TOKEN-OF-');
  if (at < 0) return octets;
  const head = octets
    .toString('latin1', 0, at + 64)
    .replace(TOKEN, `Bearer ${token}`)
    .replace(ADMIN, `Bearer ${adminToken}`);
  return Buffer.concat([Buffer.from(head, 'latin1'), octets.subarray(at + 64)]);
}

/** One in eight has its octets changed anywhere, head and length included. */
function wire(chance: Chance, request: HttpRequest): Buffer {
  const octets = formatRequest(request);
  return chance.oneIn(8) ? chance.mutate(octets) : octets;
}

const encoded = (chance: Chance, text: string): string =>
  chance.oneIn(12) ? text.replaceAll(/[\s\0]/g, '') : encodeURIComponent(text.toWellFormed());

const eventsDoor: Door = {
  name: 'http events',
  lanes: 6,
  make: (chance) => {
    const transaction = makeTransaction(chance, SUBSCRIBERS);
    // Short ones may come in a header.
    return chance.oneIn(6) && transaction.length < 4_000
      ? wire(chance, {
          path: '/v1/events',
          method: 'POST',
          headers: { authorization: TOKEN, 'coi-events': transaction.toString('latin1') },
        })
      : wire(chance, { path: '/v1/events', method: 'POST', headers: JSON_BODY, body: transaction });
  },
  deliver: deliverHttp('POST /v1/events'),
};

const oxDoor: Door = {
  name: 'http ox-events',
  lanes: 1,
  make: (chance) => {
    const notification = {
      user: chance.pick(USERS),
      event: chance.pick(['messageNew', chance.text()]),
      folder: chance.pick(['INBOX', chance.text()]),
      'imap-uid': chance.number(),
      'imap-uidvalidity': chance.number(),
      from: chance.text(),
      subject: chance.text(),
      snippet: chance.text(2_000),
    };
    const body = JSON.stringify(chance.oneIn(3) ? chance.distort(notification) : notification);
    return wire(chance, { path: '/v1/ox-events', method: 'PUT', headers: JSON_BODY, body });
  },
  deliver: deliverHttp('PUT /v1/ox-events'),
};

const classifyDoor: Door = {
  name: 'http classify',
  lanes: 3,
  make: (chance) =>
    wire(chance, {
      path: `/v1/classify?user=${encoded(chance, chance.pick(USERS))}`,
      method: 'POST',
      headers: { authorization: TOKEN, 'content-type': chance.pick(['message/rfc822', 'text/x']) },
      body: makeMessage(chance),
    }),
  deliver: deliverHttp('POST /v1/classify'),
};

const noticesDoor: Door = {
  name: 'http imap-commands',
  lanes: 2,
  make: (chance) => {
    const notice = {
      event: 'imap_command_finished',
      fields: { user: chance.pick(USERS), cmd_name: chance.pick(['SETMETADATA', chance.text(20)]) },
    };
    const body = JSON.stringify(chance.oneIn(3) ? chance.distort(notice) : notice);
    return wire(chance, { path: '/v1/imap-commands', method: 'POST', headers: JSON_BODY, body });
  },
  deliver: deliverHttp('POST /v1/imap-commands'),
};

/** Admin calls to users whom nothing else depends on. */
const adminDoor: Door = {
  name: 'http admin',
  lanes: 2,
  make: (chance) => {
    const user = encoded(chance, chance.pick(USERS));
    const id = encoded(chance, chance.text(20));
    const [method, path] = chance.pick([
      ['GET', '/'],
      ['GET', '/healthz'],
      ['GET', `/v1/users?${chance.pick(['limit', 'after', 'x'])}=${id}`],
      ['GET', `/v1/users/${user}`],
      ['GET', `/v1/users/${user}/annotations`],
      ['DELETE', `/v1/users/${user}${chance.pick(['', '?force=true', `?force=${id}`])}`],
      ['DELETE', `/v1/users/${user}/subscriptions/${id}`],
      ['DELETE', `/v1/users/${user}/throttle`],
      ['POST', `/v1/users/${user}/push-test?id=${id}`],
      ['POST', `/v1/users/${user}/vapid/rotate`],
      ['GET', `/v1/outbox?after=${chance.number()}&limit=${chance.number()}`],
      ['DELETE', `/v1/outbox/${chance.number()}`],
      ['GET', '/v1/throttled'],
      ['POST', '/v1/reload'],
      ['PUT', `/v1/test-receivers/${chance.number()}`],
      ['DELETE', `/v1/test-receivers/${id}`],
      [
        chance.pick(['GET', 'POST', 'PATCH', 'OPTIONS', 'TRACE']),
        `/${encoded(chance, chance.text())}`,
      ],
    ] as const);
    return wire(chance, { path, method, headers: { authorization: ADMIN } });
  },
  deliver: deliverHttp('an admin call'),
};

/** Whatever a stranger on the port says, from TLS to requests within requests. */
const garbageDoor: Door = {
  name: 'http garbage',
  lanes: 2,
  make: (chance) =>
    chance.pick([
      () => chance.octets(4_096),
      () => Buffer.from('160301020001fc0303'.padEnd(200, '5a'), 'hex'),
      () => Buffer.from(`GET /healthz HTTP/1.1\r\n${'x: y\r\n'.repeat(chance.below(4_000))}\r\n`),
      () =>
        Buffer.from(
          `POST /v1/events HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n${chance.text()}\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
        ),
      () =>
        chance.mutate(formatRequest({ path: '/v1/events', method: 'POST', body: chance.text() })),
      () =>
        formatRequest({
          path: '/metrics',
          headers: {
            authorization: chance
              .pick(['Basic', 'Bearer x', `Basic ${chance.text()}`])
              .replaceAll(/[\r\n\0]/g, ''),
          },
        }),
    ])(),
  deliver: deliverHttp('garbage on the HTTP port'),
};

export const HTTP_DOORS = [eventsDoor, oxDoor, classifyDoor, noticesDoor, adminDoor, garbageDoor];
