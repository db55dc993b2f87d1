import { errorMessage } from '../../../errors.ts';
import { defineCheck } from '../check.ts';
import { askDict } from '../probes/ask-dict.ts';
import { isOpenToAll, tryAsMailUser } from '../try-as-mail-user.ts';

export const dictSocket = defineCheck({
  name: 'dict-socket',
  part: 'metadata',
  title: 'The dict socket lets mail processes in, and keeps what it is given',
  needs: ['configuration'],
  applies: ({ config }) => config.metadata.source === 'dict',
  faults: {
    deaf: {
      severity: 'error',
      what: 'nobody answers at {path}: {problem}.',
      remedy: 'Start the service, which makes the socket (dict.socket).',
    },
    forbidden: {
      severity: 'error',
      what: '{who} may not connect to {path}: {barrier}.',
      remedy:
        'Have mail processes come with the group of dict.group (mail_access_groups = coi-mail), and let them pass the directories: 0755, in the service’s unit RuntimeDirectoryMode=0755.',
    },
    'open-to-all': {
      severity: 'error',
      what: 'everybody on this host may connect to {path}, and read and change the annotations of everybody: chat, pushes, keys of mail-crypt.',
      remedy:
        'Set dict.mode: "0660" and dict.group: coi-mail (the group of mail processes), and restart the service; the directories around it may help.',
    },
    'wrong-answer': {
      severity: 'error',
      what: '{path} does not keep an annotation: {problem}.',
      remedy: 'See the log of the service.',
    },
  },
  run: async (setup, report) => {
    const { config } = setup;
    const path = config.dict.socket;
    const tried = await tryAsMailUser(setup, { do: 'connect', path }, report.skip);
    if (tried?.outcome.done === false) {
      const { code, message } = tried.outcome;
      if (code === 'EACCES') {
        report.fault('forbidden', { path, who: tried.who, barrier: tried.barrier });
      } else report.fault('deaf', { path, problem: message });
      return;
    }
    try {
      await askDict(path);
      if (await isOpenToAll(path)) report.fault('open-to-all', { path });
      else report.note(path);
    } catch (error) {
      const problem = errorMessage(error);
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ECONNREFUSED' || code === 'ENOENT') report.fault('deaf', { path, problem });
      else if (code === 'EACCES') report.skip(`${path}: only mail processes may ask it`);
      else report.fault('wrong-answer', { path, problem });
    }
  },
});
