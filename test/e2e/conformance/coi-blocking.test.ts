import assert from 'node:assert/strict';
import { MESSAGE_FILTERS } from '../../../src/coi/settings.ts';
import { conformance } from '../../support/conformance.ts';
import {
  append,
  BOB,
  EVE,
  movedAside,
  newPerson,
  places,
  pushedSubjects,
} from './blocking-steps.ts';
import {
  chat,
  coiAccount,
  contact,
  deliverTo,
  ENABLED,
  flagsIn,
  mail,
  mailboxes,
  newAccount,
  settle,
  subscribed,
} from './steps.ts';

conformance(import.meta.url, 'coi-client-spec', {}, ({ stage, section }) => {
  section('Blocking Contacts', (sentence) => {
    /** For each sender, whether a chat message goes to Blocked when Contacts holds these messages. */
    async function blocks(contacts: Buffer[], senders: Record<string, boolean>): Promise<void> {
      const movedBefore = await movedAside(stage());
      const { user, client } = await coiAccount(stage(), 'active');
      for (const one of contacts) await client.ok('APPEND COI/Contacts', one);
      for (const [from, expected] of Object.entries(senders)) {
        const before = (await flagsIn(client, 'Blocked')).length;
        await deliverTo(stage(), user, chat(`From: ${from}`));
        const isBlocked = (await flagsIn(client, 'Blocked')).length > before;
        assert.equal(isBlocked, expected, from);
      }
      const others = Object.values(senders).filter((expected) => !expected).length;
      assert.equal((await flagsIn(client, 'COI/Chats')).length, others);
      assert.equal(await movedAside(stage()), movedBefore, 'filed before they were stored');
    }

    sentence(
      'SHOULD',
      'When a contact is blocked, a COI client SHOULD move any incoming messages to the *Blocked* ' +
        'folder, unless the IMAP server is COI compliant, in which case the server does that.',
      'Chat messages are filed there before they are stored, whatever the filter. Other mail, which ' +
        'does not leave Dovecot then, is moved there just after it was delivered; neither is pushed',
      async () => {
        const movedBefore = await movedAside(stage());
        for (const filter of MESSAGE_FILTERS) {
          const person = await newPerson(stage(), filter);
          const { user } = person;
          await deliverTo(stage(), user, chat(EVE, 'Subject: before'));
          await append(person, contact(['eve@example.org']));
          await deliverTo(stage(), user, chat(EVE, 'Subject: blocked'));
          await deliverTo(stage(), user, chat(BOB, 'Subject: other'));
          const { inbox, chats, blocked } = await places(person);
          assert.deepEqual(blocked, [['$Chat']], filter);
          const [kept, none] = filter === 'active' ? [chats, inbox] : [inbox, chats];
          assert.deepEqual([kept, none], [[['$Chat'], ['$Chat']], []], filter);
          assert.deepEqual(await pushedSubjects(stage(), person), ['before', 'other'], filter);
        }
        assert.equal(await movedAside(stage()), movedBefore, 'filed before they were stored');

        const person = await newPerson(stage(), 'none');
        await append(person, contact(['eve@example.org']));
        await deliverTo(stage(), person.user, mail(EVE, 'Subject: blocked'));
        await deliverTo(stage(), person.user, mail(BOB, 'Subject: other'));
        await settle(stage());
        const { inbox, blocked } = await places(person);
        assert.deepEqual([inbox, blocked], [[[]], [[]]]);
        assert.deepEqual(await pushedSubjects(stage(), person), ['other']);
      },
    );

    sentence(
      'rule',
      'The actual content of this header field is ignored but is RECOMMENDED to be set to "yes".',
      'Its presence counts',
      () =>
        blocks(
          [
            contact(['a@example.org'], ['COI-Blocked: yes']),
            contact(['b@example.org'], ['coi-blocked: no']),
            contact(['c@example.org'], ['COI-Blocked:']),
            contact(['d@example.org'], ['Subject: COI-Blocked: yes']),
            contact(['e@example.org'], []),
          ],
          {
            ...{ 'a@example.org': true, 'b@example.org': true, 'c@example.org': true },
            ...{ 'd@example.org': false, 'e@example.org': false },
          },
        ),
    );

    sentence(
      'rule',
      'Normalized form means removing quotes, using UTF-8 and lowercasing the email address. If ' +
        'the contact has several email addresses, one `COI-From-Hash` header is specified for each ' +
        'email address.',
      'Each address that From names counts; punycode is read as what it stands for',
      () =>
        blocks([contact(['eve@example.org', 'eve@bücher.example'])], {
          '"Eve"@EXAMPLE.org': true,
          'Eve <EVE@xn--bcher-kva.example>': true,
          'Bob <bob@example.org>, eve@example.org': true,
          '"eve@example.org" <bob@example.org>': false,
        }),
    );
  });

  section('Folders', (sentence) => {
    sentence(
      'SHOULD',
      '*COI/Chats* for storing all chat messages. This folder SHOULD be marked as subscribed by the user.',
      'Once, when COI is enabled: whoever unsubscribes it later has it so',
      async () => {
        const { client } = await coiAccount(stage());
        assert.ok((await subscribed(client)).includes('COI/Chats'));
      },
    );

    sentence(
      'rule',
      '*Blocked* for storing messages originating from blocked contacts. A COI-compliant folders generates these folders automatically when a client calls the respective `SETMETADATA` IMAP command',
      'Beside the root, as it stands there; another place: `coi.blocked_mailbox`. COI/Chats and COI/Contacts as the server specification has them',
      async () => {
        const { client } = await newAccount(stage());
        const before = await mailboxes(client, '*');
        await client.setMetadata('', ENABLED, 'yes');
        const made = (await mailboxes(client, '*')).filter((name) => !before.includes(name));
        assert.deepEqual(made, ['Blocked', 'COI/Chats', 'COI/Contacts']);
      },
    );
  });
});
