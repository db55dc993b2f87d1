import { VERSION } from '../../../version.ts';
import { defineCheck } from '../check.ts';

/** The process, and whether it is the one that this command belongs to. */
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
  },
  run: ({ service: running, origin }, report) => {
    if (running === undefined) {
      report.fault('down', { origin });
      return;
    }
    report.note(`version ${running.version}`);
    if (running.version !== VERSION) {
      report.fault('other-version', { running: running.version, installed: VERSION });
    }
  },
});
