import { stat } from 'node:fs/promises';
import { errorMessage } from '../../../errors.ts';
import { GREETING } from '../../../dovecot/doveadm-protocol.ts';
import { createDoveadmSocket } from '../../../dovecot/doveadm-socket.ts';
import { actAs, canActAs } from '../act-as.ts';
import { defineCheck } from '../check.ts';
import { findBarrier } from '../find-barrier.ts';

/** doveadm asks for a password wherever others than the owner may connect. */
const MODE = 0o600;

export const doveadmSocket = defineCheck({
  name: 'doveadm-socket',
  part: 'commands',
  title: 'The doveadm socket lets the service in, for octets outside UTF-8',
  needs: ['configuration'],
  applies: ({ config }) => config.doveadm.socket !== '',
  faults: {
    absent: {
      severity: 'error',
      what: 'there is no socket at {path}.',
      remedy:
        'Copy 95-coi-doveadm-socket.conf to conf.d and restart Dovecot, or empty doveadm.socket.',
    },
    mode: {
      severity: 'error',
      what: '{path} has the mode {mode}: doveadm asks for a password unless it is 0600.',
      remedy: 'Set mode = 0600 and user = coi-sidecar (95-coi-doveadm-socket.conf), and restart.',
    },
    deaf: {
      severity: 'error',
      what: 'nobody answers at {path}: {problem}.',
      remedy: 'Start Dovecot (systemctl start dovecot); its log says why it does not stay.',
    },
    forbidden: {
      severity: 'error',
      what: 'the service (uid {uid}) may not connect to {path}: {barrier}.',
      remedy: 'Set user = coi-sidecar there (95-coi-doveadm-socket.conf), and restart Dovecot.',
    },
    'wrong-answer': {
      severity: 'error',
      what: '{problem}.',
      remedy: 'See Dovecot’s log.',
    },
  },
  run: async ({ config, serviceUser }, report) => {
    const path = config.doveadm.socket;
    const found = await stat(path).catch((error: unknown) => error as NodeJS.ErrnoException);
    if (found instanceof Error) {
      if (found.code === 'ENOENT') report.fault('absent', { path });
      else report.skip(`${path} cannot be looked at from here (${found.code ?? ''})`);
      return;
    }
    if ((found.mode & 0o777) !== MODE) {
      report.fault('mode', { path, mode: (found.mode & 0o777).toString(8).padStart(4, '0') });
      return;
    }
    if (serviceUser === undefined || !canActAs(serviceUser)) {
      const reason =
        serviceUser === undefined
          ? 'as whom it runs is seen at sieve.socket, which is not there'
          : 'only root can try it';
      report.skip(`whether the service may use ${path}: ${reason}`);
      return;
    }
    const [connected] = await actAs(serviceUser, [{ do: 'connect', path, greeting: GREETING }]);
    if (connected?.done === false && connected.code !== 'EACCES') {
      report.fault('deaf', { path, problem: connected.message });
      return;
    }
    if (connected?.done === false) {
      const barrier = await findBarrier(path, serviceUser);
      report.fault('forbidden', { uid: serviceUser.uid, path, barrier });
      return;
    }
    try {
      await createDoveadmSocket({ path, timeout: config.doveadm.timeout }).check();
      report.note(path);
    } catch (error) {
      report.fault('wrong-answer', { problem: errorMessage(error).replace(/\.$/, '') });
    }
  },
});
