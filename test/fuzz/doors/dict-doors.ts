import type { Chance } from '../chance.ts';
import { INBOX_GUID, USERS, type Door } from '../door.ts';
import { exchange } from '../exchange.ts';

const SERVER = `priv/${INBOX_GUID}/vendor/vendor.dovecot/pvt/server`;

export const escapeField = (text: string): string => {
  const letters: Record<string, string> = {
    '\0': '0',
    '\x01': '1',
    '\t': 't',
    '\r': 'r',
    '\n': 'n',
  };
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\0\x01\t\r\n]/g, (octet) => `\x01${letters[octet] ?? ''}`);
};

function makeKey(chance: Chance): string {
  return chance.pick([
    `priv/${INBOX_GUID}/comment`,
    `shared/${INBOX_GUID}/${escapeField(chance.text())}`,
    `${SERVER}/vendor/vendor.dovecot/coi/config/${chance.pick(['enabled', 'message-filter', 'mailbox-root', 'x'])}`,
    `${SERVER}/vendor/vendor.dovecot/webpush/${chance.pick(['vapid', 'subscriptions/subscription-1', 'subscriptions/subscription-1/validate', 'x'])}`,
    `${SERVER}/${escapeField(chance.text())}`,
    `priv/${escapeField(chance.text())}`,
    `priv/${'k'.repeat(chance.below(chance.oneIn(10) ? 70_000 : 100))}`,
    escapeField(chance.text()),
    '',
  ]);
}

function makeLine(chance: Chance): string {
  const id = chance.oneIn(12) ? chance.number() : 1 + chance.below(4);
  const user = escapeField(chance.pick(USERS)).slice(0, 200);
  const key = makeKey(chance);
  const value = chance.oneIn(40) ? 'v'.repeat(chance.below(66_000)) : escapeField(chance.text());
  return chance.pick([
    `L${key}\t${user}`,
    `I${chance.below(64)}\t${chance.oneIn(4) ? chance.number() : 0}\t${key}\t${user}`,
    `B${id}\t${user}${chance.pick(['', '\t0', `\t${chance.number()}`])}`,
    `B${id}\t${user}\nS${id}\t${key}\t${value}\nC${id}`,
    `S${id}\t${key}\t${value}`,
    `U${id}\t${key}`,
    `A${id}\t${key}\t${chance.number()}`,
    `T${id}\t${chance.number()}\t${chance.number()}`,
    `V${id}\t${chance.pick(['yes', 'no'])}`,
    `C${id}`,
    `D${id}`,
    `R${id}`,
    chance.text(),
  ]);
}

const hello = (chance: Chance): string =>
  chance.pick([
    'H3\t2\t0\t\tcoi',
    'H4\t0\t0\t\tcoi',
    'H4\t0\t0\t\tcoi',
    'H2\t0\t0\tuser1\tcoi',
    'H9\t9',
  ]);

/** Lines as a dict client writes them, of which any may be wrong. */
const sessionsDoor: Door = {
  name: 'dict sessions',
  lanes: 6,
  make: (chance) => {
    const lines = [hello(chance), ...chance.some(12, () => makeLine(chance)), ''];
    const octets = Buffer.from(lines.join('\n'));
    return chance.oneIn(4) ? chance.mutate(octets) : octets;
  },
  deliver: async (octets, target) => {
    await exchange({ path: target.dictSocket }, octets, 'a dict session');
  },
};

/** Octets that no dict client would write. */
const noiseDoor: Door = {
  name: 'dict octets',
  lanes: 2,
  make: (chance) =>
    Buffer.concat([
      Buffer.from(chance.oneIn(2) ? `${hello(chance)}\n` : ''),
      ...chance.some(8, () => chance.octets(300)),
      chance.oneIn(50) ? Buffer.alloc(chance.below(300_000), chance.below(256)) : Buffer.alloc(0),
    ]),
  deliver: async (octets, target) => {
    await exchange({ path: target.dictSocket }, octets, 'octets on the dict socket');
  },
};

export const DICT_DOORS = [sessionsDoor, noiseDoor];
