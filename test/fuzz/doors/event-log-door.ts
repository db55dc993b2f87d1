import type { Door } from '../door.ts';
import { SUBSCRIBERS } from '../right-dialogue.ts';
import { makeTransaction } from '../transactions.ts';

/** More than this is waited for: the road is to be read, not filled. */
const MOST_PENDING = 400;

/** Events that come by the disk, torn and foreign ones among them. */
export const eventLogDoor: Door = {
  name: 'event log',
  lanes: 1,
  pauseMsecs: 2,
  make: (chance) =>
    chance.oneIn(20) ? chance.octets(4_000) : makeTransaction(chance, SUBSCRIBERS),
  deliver: async (octets, { events }) => {
    events.put(octets);
    let tries = 0;
    while (events.pending() > MOST_PENDING && tries++ < 100) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
};
