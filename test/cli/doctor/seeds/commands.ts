import type { DoctorRig, Examination } from '../../../support/doctor-rig.ts';
import type { Seed } from '../seeded-faults.ts';

const is23 = ({ stage }: DoctorRig): boolean => stage.dovecot.version === '2.3';

const listener = (...lines: string[]): Examination => ({
  dovecot: `service doveadm {\n  inet_listener http {\n${lines.join('\n')}\n  }\n}`,
});

export const commandFaults: readonly Seed[] = [
  { fault: 'doveadm-api.no-listener', break: () => listener('port = 0') },
  {
    fault: 'doveadm-api.refused',
    cause: 'another key',
    says: /refused our key/,
    break: () => ({ config: { doveadm: { api_key: 'another' } } }),
  },
  {
    fault: 'doveadm-api.refused',
    cause: 'nobody is there',
    says: /does not answer/,
    break: () => ({ config: { doveadm: { url: 'http://127.0.0.1:1/doveadm/v1' } } }),
  },
  {
    fault: 'doveadm-api.open-to-all',
    break: (rig) => listener(is23(rig) ? 'address = *' : 'listen = *'),
  },
  {
    fault: 'doveadm-api.process-per-request',
    break: (rig) => ({
      dovecot: `service doveadm {\n  ${is23(rig) ? 'service_count' : 'restart_request_count'} = 1\n}`,
    }),
  },
  {
    fault: 'doveadm-api.commands-forbidden',
    says: /"mailbox create"/,
    break: (rig) => ({
      dovecot: is23(rig)
        ? 'doveadm_allowed_commands = fetch,move'
        : 'doveadm_allowed_commands {\n  fetch = yes\n  move = yes\n}',
    }),
  },
];
