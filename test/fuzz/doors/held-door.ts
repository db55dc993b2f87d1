import { setTimeout as sleep } from 'node:timers/promises';
import { USERS, type Door } from '../door.ts';
import { OpenConnection } from '../exchange.ts';

/** How long a peer keeps what it began. */
const HELD_MSECS = 2_000;

/** What stands before the octets says where they go. */
const ROADS = ['http', 'dict', 'script'] as const;

/**
 * Peers that begin and do not end: dict transactions without a commit, bodies and messages of which more
 * is to come. Whatever they make the service keep counts as its memory.
 */
export const heldDoor: Door = {
  name: 'held open',
  lanes: 2,
  make: (chance) => {
    const road = chance.pick(ROADS);
    const filling = 'f'.repeat(chance.below(chance.oneIn(40) ? 8_000_000 : 60_000));
    const user = chance
      .pick(USERS)
      .slice(0, 20)
      .replaceAll(/[\0\t]/g, '');
    const begun = {
      http: `POST /v1/classify?user=a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-length: 99999999\r\n\r\n${filling}`,
      dict:
        'H4\t0\t0\t\tcoi\n' +
        Array.from(
          { length: 1 + chance.below(40) },
          (_, id) => `B${id}\t${user}\nS${id}\tpriv/a\t${filling.slice(0, 60_000)}\n`,
        ).join(''),
      script: `VERSION\tscript\t4\t0\nenv_USER=${user}\n-\n\n${filling}`,
    }[road];
    return Buffer.from(`${road}\n${begun}`);
  },
  deliver: async (octets, target) => {
    const end = octets.indexOf('\n');
    const road = octets.toString('latin1', 0, end);
    const to =
      road === 'http'
        ? target.http
        : { path: road === 'dict' ? target.dictSocket : target.scriptSocket };
    let text = octets.subarray(end + 1);
    if (road === 'http') {
      const [head = '', ...rest] = text.toString('latin1').split('Bearer x');
      text = Buffer.from([head, ...rest].join(`Bearer ${target.token}`), 'latin1');
    }
    const nothing = (): void => undefined;
    const connection = new OpenConnection(to, nothing, nothing);
    await connection.write(text);
    await sleep(HELD_MSECS);
    connection.end();
  },
};
