import { join } from 'node:path';
import { access } from 'node:fs/promises';
import { errorMessage } from '../../../errors.ts';
import { LmtpConnection, type LmtpAddress } from '../../demo/lmtp-client.ts';
import { runCommand } from '../../demo/run-command.ts';
import type { Setup } from '../setup/setup.ts';
import { TripEnd } from './trip-end.ts';

/** How mail can be handed to Dovecot, in words and in deeds. */
export interface Postman {
  by: string;
  /** @throws TripEnd Dovecot does not take it */
  deliver: (user: string, message: string) => Promise<void>;
}

/** @returns undefined when no way is known from here */
export async function findPostman(setup: Setup): Promise<Postman | undefined> {
  const all = lmtpAddresses(setup);
  for (const one of all) if (await answers(one.address)) return byLmtp(one);
  // Nobody answers at any of them: that is for the delivery to say.
  const [first] = all;
  return first === undefined ? findLda(setup) : byLmtp(first);
}

/** dovecot-lda, as an MTA calls it; only root may call it for others. */
async function findLda({ dovecot, options }: Setup): Promise<Postman | undefined> {
  if (dovecot.settings === undefined || process.getuid?.() !== 0) return undefined;
  const program = join(dovecot.settings.server.libexecDir, 'dovecot-lda');
  const there = await access(program).then(
    () => true,
    () => false,
  );
  if (!there) return undefined;
  const where = options.dovecotConfig === undefined ? [] : ['-c', options.dovecotConfig];
  const by = 'dovecot-lda';
  return {
    by,
    deliver: async (user, input) => {
      const ran = await runCommand(program, [...where, '-d', user, '-f', ''], { input });
      if (ran.exitCode === 0) return;
      throw new TripEnd('not-delivered', {
        by,
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
