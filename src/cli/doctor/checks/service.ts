import { errorMessage } from '../../../errors.ts';
import { parseListenAddress } from '../../../config/parse-listen-address.ts';
import { checkSocketOwner } from '../../../peer/check-peer.ts';
import { trustedUids } from '../../../peer/trusted-users.ts';
import { VERSION } from '../../../version.ts';
import { runCommand } from '../../demo/run-command.ts';
import { serviceUsers } from '../../service-origin.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { talk } from '../probes/talk.ts';
import type { Setup } from '../setup/setup.ts';

/** The process, whether it is the one that this command belongs to, and whether its places are its own. */
export const service = defineCheck({
  name: 'service',
  part: 'service',
  title: 'The service answers',
  needs: [],
  faults: {
    down: {
      severity: 'error',
      what: 'nothing that is coi-sidecar answers at {origin}/healthz.',
      remedy: 'Start it (systemctl start coi-sidecar); its log says why it does not stay.',
    },
    'other-version': {
      severity: 'warning',
      what: 'the service is version {running}, this command {installed}.',
      remedy: 'Restart the service after an upgrade, or use the command of its version.',
    },
    'http-socket': {
      severity: 'error',
      what: 'http.socket cannot be used: {problem}.',
      remedy: 'Put it where only root and the service may write (/run/coi-sidecar), and restart.',
    },
    'open-to-network': {
      severity: 'warning',
      what: 'http.listen is {listen}, all addresses of this host: others may try tokens there, and what Dovecot sends is not encrypted.',
      remedy:
        'Set http.listen: "127.0.0.1:{port}" and restart the service (coi-sidecar.socket: ListenStream=), as Dovecot is on this host.',
    },
    'port-elsewhere': {
      severity: 'warning',
      what: 'coi-sidecar.socket holds {held}, and http.listen is {listen}: that port is free while the service is down.',
      remedy:
        'Set ListenStream= to nothing, and in a second line to it (systemctl edit coi-sidecar.socket); then stop coi-sidecar.socket and start coi-sidecar.',
    },
    'port-unguarded': {
      severity: 'warning',
      what: 'coi-sidecar.socket is not active: whoever takes port {port} while the service is down is sent http.token by Dovecot.',
      remedy: 'systemctl enable coi-sidecar.socket; then stop coi-sidecar.service, and start both.',
    },
  },
  run: async (setup, report) => {
    const { service: running, origin, configurationProblem } = setup;
    if (configurationProblem !== undefined) {
      report.skip(`where it should answer: ${configurationProblem}; tried ${origin}`);
      if (running !== undefined) report.note(`version ${running.version}`);
      return;
    }
    checkAddress(setup, report);
    await checkPort(setup, report);
    if (running === undefined) {
      report.fault('down', { origin });
      return;
    }
    report.note(`version ${running.version}`);
    if (running.version !== VERSION) {
      report.fault('other-version', { running: running.version, installed: VERSION });
    }
    await checkHttpSocket(setup, report);
  },
});

type Report = Reporter<keyof typeof service.faults>;

/** In a container, and where Dovecot is elsewhere, it cannot be otherwise. */
function checkAddress({ config, dovecot }: Setup, report: Report): void {
  const { listen } = config.http;
  const { host, port } = parseListenAddress(listen);
  if (dovecot.settings !== undefined && ['0.0.0.0', '::', '*'].includes(host)) {
    report.fault('open-to-network', { listen, port });
  }
}

/** Whether systemd keeps the port for the service, where it has a unit for that. */
async function checkPort({ config }: Setup, report: Report): Promise<void> {
  const names = '--property=LoadState,ActiveState,Listen';
  const { stdout } = await runCommand('systemctl', ['show', names, 'coi-sidecar.socket']);
  if (!/^LoadState=loaded$/m.test(stdout)) return;
  const { listen } = config.http;
  if (!/^ActiveState=active$/m.test(stdout)) {
    report.fault('port-unguarded', { port: parseListenAddress(listen).port });
    return;
  }
  const held = [...stdout.matchAll(/^Listen=(\S+) \(Stream\)$/gm)].map(
    ([, address = '']) => address,
  );
  const wanted = listen.replace(/^localhost:/, '127.0.0.1:');
  if (!held.includes(wanted)) report.fault('port-elsewhere', { held: held.join(', '), listen });
}

async function checkHttpSocket({ config, service: running }: Setup, report: Report): Promise<void> {
  const path = config.http.socket;
  if (path === '') return;
  try {
    await checkSocketOwner(path, await trustedUids(await serviceUsers(config)()));
    const question = 'GET /healthz HTTP/1.1\r\nHost: coi-sidecar\r\nConnection: close\r\n\r\n';
    const answer = await talk(path, question, { isWhole: () => false, end: false });
    if (!answer.includes(running?.started ?? '')) throw new Error('another process answers there');
    report.note(path);
  } catch (error) {
    report.fault('http-socket', { problem: errorMessage(error) });
  }
}
