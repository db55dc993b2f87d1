import { defineCheck, type Reporter } from '../check.ts';
import type { Setup } from '../setup/setup.ts';
import { findPostmen, type Postman } from '../trip/deliver-chat.ts';
import type { ImapAddress } from '../trip/imap-hand.ts';
import { makeTrip, type TripLog } from '../trip/make-trip.ts';
import { TripEnd } from '../trip/trip-end.ts';
import { createUndoList } from '../trip/undo-list.ts';

export const trip = defineCheck({
  name: 'trip',
  part: 'trip',
  title: 'A chat message is filed, and arrives as a push',
  needs: ['configuration', 'service', 'doveadm'],
  faults: {
    'no-user': {
      severity: 'error',
      what: 'Dovecot shows no mailboxes of {user}: {problem}.',
      remedy: 'Name a user that Dovecot knows; "doveadm user {user}" says what it knows.',
    },
    'login-refused': {
      severity: 'error',
      what: 'IMAP ({where}) does not let the user in: {problem}.',
      remedy: 'Check the password; without one, doveadm is used in place of IMAP.',
    },
    'capability-missing': {
      severity: 'error',
      what: 'CAPABILITY has no {words} after {user} has logged in.',
      remedy: 'Copy 95-coi-capability.conf to conf.d, or have the userdb add them, and reload.',
    },
    'setting-refused': {
      severity: 'error',
      what: 'the annotation {entry} of {user} is refused.',
      remedy: 'The logs of Dovecot and of the service say why; see "Annotations" above.',
    },
    'no-folders': {
      severity: 'error',
      what: 'COI is enabled for {user}, but nobody made {folder}.',
      remedy:
        'The service does not hear of it, or may not make it: see "Annotations" and "Commands".',
    },
    'no-validation': {
      severity: 'error',
      what: 'no validation push came for {user}: {problem}.',
      remedy:
        'The log of the service names what became of it; behind a proxy, set http.admin_token.',
    },
    'not-validated': {
      severity: 'error',
      what: 'the subscription of {user} stays pending although it was validated.',
      remedy:
        'The service does not hear of it, or may not write it back: see "Annotations" and "Commands".',
    },
    'not-delivered': {
      severity: 'error',
      what: '{by} does not take mail: {problem}.',
      remedy: 'See Dovecot’s log.',
    },
    'not-filed': {
      severity: 'error',
      what: 'the chat message for {user} that came by {by} is in INBOX, not in {chats}.',
      remedy:
        'Sieve got no answer, or was not asked: see "Classification" and "lda" above, and Dovecot’s log.',
    },
    'filed-elsewhere': {
      severity: 'error',
      what: 'the chat message for {user} that came by {by} is in {mailbox}, not in {chats}.',
      remedy:
        'Another Sieve script files chat and ends before coi.sieve is asked: put coi.sieve first (2.3: sieve_before, and that one in sieve_before2; 2.4: a lower "precedence" in "sieve_script coi" than that one has) and reload Dovecot, or take chat (Chat-Version) out of that script.',
    },
    vanished: {
      severity: 'error',
      what: 'the chat message for {user} was taken by {by}, and is in no mailbox of {user}.',
      remedy:
        'Another Sieve script discards or redirects it, or it went to another user (see "names" above): Dovecot’s log names the mailbox.',
    },
    'no-keyword': {
      severity: 'error',
      what: 'the chat message for {user} is in {chats}, without $Chat.',
      remedy: 'coi.sieve sets it: see whether another script files chat.',
    },
    'no-push': {
      severity: 'error',
      what: 'no push came for the message to {user}: {problem}.',
      remedy:
        'See "Events" above, "coi-sidecar outbox", and the logs of Dovecot and of the service.',
    },
    'left-behind': {
      severity: 'warning',
      what: 'this could not be put back for {user}: {left}.',
      remedy: 'Put it back by hand, or take another scratch user.',
    },
  },
  run: async (setup, report) => {
    const { users, password } = setup.options;
    if (users.length === 0) {
      report.offer('no scratch user was named (--user USER)');
      return;
    }
    const postmen = await findPostmen(setup, report.skip);
    if (postmen.length === 0) {
      report.skip('how to deliver mail is not known here: --lmtp HOST:PORT says it');
      return;
    }
    const imap = imapAddress(setup);
    if (password !== undefined && imap === undefined) {
      report.skip('IMAP: where it is is not known here: --imap HOST:PORT says it');
    }
    for (const user of users) await tryOne({ setup, user, postmen, imap }, report);
  },
});

interface Traveller {
  setup: Setup;
  user: string;
  postmen: readonly Postman[];
  imap: ImapAddress | undefined;
}

async function tryOne(
  traveller: Traveller,
  report: Reporter<keyof typeof trip.faults>,
): Promise<void> {
  const { user } = traveller;
  const undo = createUndoList();
  const log: TripLog = { stations: [], skipped: [] };
  try {
    await makeTrip({ ...traveller, undo }, log);
  } catch (error) {
    if (!(error instanceof TripEnd)) throw error;
    report.fault(error.fault, error.values);
  } finally {
    const left = await undo.undoAll();
    if (left.length > 0) report.fault('left-behind', { user, left: left.join('; ') });
  }
  for (const reason of log.skipped) report.skip(reason);
  if (log.stations.length > 0) report.note(`${user}: ${log.stations.join(', ')}`);
}

function imapAddress({ options, dovecot }: Setup): ImapAddress | undefined {
  if (options.imap !== undefined) return { ...options.imap, tls: options.imap.port === 993 };
  return dovecot.settings?.server.imap[0];
}
