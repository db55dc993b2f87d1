import type { Chance } from '../chance.ts';
import { USERS, type Door } from '../door.ts';
import { exchange } from '../exchange.ts';
import { makeMessage } from '../messages.ts';
import { escapeField } from './dict-doors.ts';

function makeHeader(chance: Chance): string[] {
  const odd = (right: string): string => (chance.oneIn(20) ? chance.text() : right);
  return [
    odd(chance.pick(['VERSION\tscript\t4\t0', 'VERSION\tscript\t3\t0'])),
    ...chance.some(2, () =>
      odd(`env_${escapeField(chance.text(20))}=${escapeField(chance.text())}`),
    ),
    odd(`env_USER=${escapeField(chance.pick(USERS))}`),
    ...chance.some(1, () => `alarm=${chance.number()}`),
    odd(chance.pick(['-', 'noreply'])),
    ...chance.pick([
      [],
      ['ping'],
      ['expect', escapeField(chance.pick(['keep', 'file COI/Chats', chance.text()]))],
      chance.some(40, () => escapeField(chance.text()) || 'x'),
    ]),
    '',
    '',
  ];
}

/** What Sieve's "execute" sends, and what it never would. */
export const scriptDoor: Door = {
  name: 'script socket',
  lanes: 4,
  make: (chance) => {
    if (chance.oneIn(10)) return chance.octets(2_000);
    const octets = Buffer.concat([Buffer.from(makeHeader(chance).join('\n')), makeMessage(chance)]);
    return chance.oneIn(6) ? chance.mutate(octets) : octets;
  },
  deliver: async (octets, target) => {
    await exchange({ path: target.scriptSocket }, octets, 'a request of Sieve');
  },
};
