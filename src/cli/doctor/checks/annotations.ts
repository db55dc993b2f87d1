import { defineCheck } from '../check.ts';
import { annotateNobody } from '../nobody/annotate-nobody.ts';
import { NAME_ONE } from '../try-as-mail-user.ts';

/** The whole road, gone by Dovecot itself: a right socket is no good while Dovecot does not ask it. */
export const annotations = defineCheck({
  name: 'annotations',
  part: 'metadata',
  title: 'Dovecot keeps an annotation that nobody sets over IMAP, and gives it back',
  needs: ['configuration', 'dovecot'],
  faults: {
    'not-served': {
      severity: 'error',
      what: 'Dovecot’s imap does not serve a user: {problem}.',
      remedy: 'All logins meet the same: correct it first; Dovecot’s log says more.',
    },
    refused: {
      severity: 'error',
      what: 'over IMAP, SETMETADATA is answered {answer}: {problem}.',
      remedy:
        'See what is said of metadata and dict-socket; clients cannot enable COI, nor subscribe, until it is OK.',
    },
    lost: {
      severity: 'error',
      what: 'over IMAP, an annotation is set and not given back: {problem}.',
      remedy: 'See what is said of metadata and dict-socket, and Dovecot’s log.',
    },
  },
  run: async (setup, report) => {
    const made = await annotateNobody(setup, report.skip);
    if (made === undefined) return;
    const { started, set, isKept, complaints } = made;
    const problem = complaints || 'it says nothing of it';
    if (started && set === 'OK' && isKept) report.note('SETMETADATA, GETMETADATA');
    else if (setup.mailUser.guessed && /Permission denied/.test(problem)) {
      report.skip(`${problem}: ${NAME_ONE}`);
    } else if (!started) report.fault('not-served', { problem });
    else if (set !== 'OK') report.fault('refused', { answer: set || 'nothing', problem });
    else report.fault('lost', { problem });
  },
});
