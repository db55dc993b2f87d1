import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { childEnvironment } from './demo/run-command.ts';

/**
 * Tells systemd that the service is ready (`Type=notify`, sd_notify(3)): "systemctl restart" returns
 * when the sockets are there, and Dovecot is started after that. By systemd's own program, since Node
 * has no datagram sockets in the file system. Does nothing where nobody wants to know.
 */
export async function tellSupervisor(log: Logger, env = process.env): Promise<void> {
  if (env['NOTIFY_SOCKET'] === undefined) return;
  try {
    const notify = spawn('systemd-notify', ['--ready'], {
      ...{ env: childEnvironment(env), stdio: 'ignore' },
    });
    const [code] = (await once(notify, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`systemd-notify ended with ${code}`);
  } catch (error) {
    log.warn({ reason: errorMessage(error) }, 'cannot tell systemd that the service is ready');
  }
}
