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
  for (const { by, address } of lmtpAddresses(setup)) {
    const connection = await LmtpConnection.open(address).catch(() => undefined);
    if (connection === undefined) continue;
    await connection.close();
    return { by, deliver: (user, message) => deliverByLmtp(address, by, user, message) };
  }
  const { settings } = setup.dovecot;
  if (settings === undefined || process.getuid?.() !== 0) return undefined;
  const program = join(settings.server.libexecDir, 'dovecot-lda');
  const there = await access(program).then(
    () => true,
    () => false,
  );
  if (!there) return undefined;
  const config = setup.options.dovecotConfig;
  const where = config === undefined ? [] : ['-c', config];
  return {
    by: 'dovecot-lda',
    deliver: async (user, input) => {
      const ran = await runCommand(program, [...where, '-d', user, '-f', ''], { input });
      if (ran.exitCode === 0) return;
      const problem = ran.stderr.trim() || `exit code ${ran.exitCode}`;
      throw new TripEnd('not-delivered', { by: 'dovecot-lda', problem });
    },
  };
}

function lmtpAddresses({ options, dovecot }: Setup): { by: string; address: LmtpAddress }[] {
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

/** From nobody, so that nothing is ever sent back. */
async function deliverByLmtp(
  address: LmtpAddress,
  by: string,
  user: string,
  message: string,
): Promise<void> {
  let problem: string;
  try {
    const connection = await LmtpConnection.open(address);
    try {
      const { replies } = await connection.deliver('', [user], message);
      const [reply] = replies;
      if (reply?.code === 250) return;
      problem = `${reply?.code ?? ''} ${reply?.text ?? ''}`.trim();
    } finally {
      await connection.close();
    }
  } catch (error) {
    problem = errorMessage(error);
  }
  throw new TripEnd('not-delivered', { by, problem });
}
