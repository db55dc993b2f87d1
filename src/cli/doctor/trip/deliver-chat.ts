import { join } from 'node:path';
import { errorMessage } from '../../../errors.ts';
import { LmtpConnection, type LmtpAddress } from '../../demo/lmtp-client.ts';
import { runCommand } from '../../demo/run-command.ts';
import { agentsOf, startedAs, type DeliveryAgent } from '../delivery.ts';
import { asStarter, isThere } from '../nobody/deliver-to-nobody.ts';
import type { Setup } from '../setup/setup.ts';
import { TripEnd } from './trip-end.ts';

/** How mail can be handed to Dovecot, in words and in deeds. */
export interface Postman {
  by: string;
  /** @throws TripEnd Dovecot does not take it */
  deliver: (user: string, message: string) => Promise<void>;
}

/**
 * One for each delivery agent by which mail may come in.
 *
 * @param skip is told which agent cannot be tried from here, and why
 */
export async function findPostmen(
  setup: Setup,
  skip: (reason: string) => void,
): Promise<Postman[]> {
  if (setup.options.lmtp !== undefined)
    return [await findLmtp(setup)].filter((one) => one !== undefined);
  const found: Postman[] = [];
  for (const agent of agentsOf(setup)) {
    const postman = agent.protocol === 'lmtp' ? await findLmtp(setup) : await findLda(agent, setup);
    if (postman === undefined) skip(`${agent.name}: ${REASONS[agent.protocol]}`);
    else found.push(postman);
  }
  return found;
}

const REASONS = {
  lmtp: 'Dovecot has no listener for it; --lmtp HOST:PORT says where it is',
  lda: 'only root, where Dovecot is, can deliver by it',
} as const;

async function findLmtp(setup: Setup): Promise<Postman | undefined> {
  const all = lmtpAddresses(setup);
  for (const one of all) if (await answers(one.address)) return byLmtp(one);
  // Nobody answers at any of them: that is for the delivery to say.
  const [first] = all;
  return first === undefined ? undefined : byLmtp(first);
}

/** dovecot-lda, as an MTA calls it; only root may call it for others. */
async function findLda(
  agent: DeliveryAgent,
  { dovecot, options, findUser }: Setup,
): Promise<Postman | undefined> {
  if (dovecot.settings === undefined || process.getuid?.() !== 0) return undefined;
  const program = join(dovecot.settings.server.libexecDir, 'dovecot-lda');
  if (!(await isThere(program))) return undefined;
  const where = options.dovecotConfig === undefined ? [] : ['-c', options.dovecotConfig];
  const by = agent.name;
  return {
    by,
    deliver: async (user, input) => {
      const starter = await startedAs(agent, await findUser(user));
      const call = asStarter(starter, program, [...where, '-d', user, '-f', '']);
      const ran = await runCommand(...call, { input });
      if (ran.exitCode === 0) return;
      const who = starter === undefined ? by : `${by} (started as uid ${starter.uid})`;
      throw new TripEnd('not-delivered', {
        by: who,
        problem: ran.stderr.trim() || `exit code ${ran.exitCode}`,
      });
    },
  };
}

interface NamedAddress {
  by: string;
  address: LmtpAddress;
}

function lmtpAddresses({ options, dovecot }: Setup): NamedAddress[] {
  if (options.lmtp !== undefined) {
    const { host, port } = options.lmtp;
    return [{ by: `LMTP (${host} port ${port})`, address: options.lmtp }];
  }
  const { settings } = dovecot;
  if (settings?.server.served.has('lmtp') !== true) return [];
  return settings.server.lmtp.map((listener) =>
    'path' in listener
      ? { by: `LMTP (${listener.path})`, address: { path: listener.path } }
      : {
          by: `LMTP (${listener.host} port ${listener.port})`,
          address: { host: listener.host, port: listener.port },
        },
  );
}

async function answers(address: LmtpAddress): Promise<boolean> {
  try {
    await (await LmtpConnection.open(address)).close();
    return true;
  } catch {
    return false;
  }
}

const byLmtp = ({ by, address }: NamedAddress): Postman => ({
  by,
  deliver: async (user, message) => {
    const problem = await deliverByLmtp(address, user, message).catch(errorMessage);
    if (problem !== undefined) throw new TripEnd('not-delivered', { by, problem });
  },
});

/**
 * Delivers from nobody, so that nothing is ever sent back.
 *
 * @returns undefined when it was taken, else the answer
 */
async function deliverByLmtp(
  address: LmtpAddress,
  user: string,
  message: string,
): Promise<string | undefined> {
  const connection = await LmtpConnection.open(address);
  try {
    const [reply] = (await connection.deliver('', [user], message)).replies;
    return reply?.code === 250 ? undefined : `${reply?.code ?? ''} ${reply?.text ?? ''}`.trim();
  } finally {
    await connection.close();
  }
}
