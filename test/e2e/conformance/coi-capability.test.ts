import assert from 'node:assert/strict';
import { conformance } from '../../support/conformance.ts';
import { answerWith } from '../../support/push-service.ts';
import type { UserAgent } from '../../support/user-agent.ts';
import { ImapClient } from '../../support/imap-client.ts';
import {
  CONFIG,
  coiAccount,
  ENABLED,
  errorsOf,
  get,
  listed,
  MAILBOX_ROOT,
  mail,
  deliverTo,
  newAccount,
  newId,
  pathOf,
  refuse,
  set,
  subscribe,
  subscription,
  SUBSCRIPTIONS,
  VENDOR,
} from './steps.ts';

conformance(import.meta.url, 'coi-server-spec', {}, ({ stage, section }) => {
  const capabilities = async (): Promise<string[]> => {
    const { client } = await newAccount(stage());
    return (await client.ok('CAPABILITY')).untagged.join().split(' ');
  };

  section('Required Standards', (sentence) => {
    sentence(
      'MUST',
      'An IMAP COI server MUST implement the following standards: IMAP 4rev1 [RFC 3501]; a subset of IMAP METADATA Extension [RFC 5464]; REQUIRES support for private annotations, see below; IMAP WebPush Extension',
      'Dovecot’s own, with the sidecar as its attribute dict; for WebPush see above',
      async () => {
        const { user, client } = await newAccount(stage());
        for (const name of ['IMAP4rev1', 'METADATA', 'WEBPUSH']) {
          assert.ok((await capabilities()).includes(name), name);
        }
        await set(client, '/private/comment', 'mine');
        assert.equal(await get(client, '/private/comment'), 'mine');
        const agent = await stage().userAgent();
        await subscribe(client, agent);
        await deliverTo(stage(), user, mail('Subject: pushed'));
        assert.equal((await agent.next()).payload['subject'], 'pushed');
      },
    );
  });

  section('Scope of METADATA Support', (sentence) => {
    sentence(
      'MUST',
      'A COI server MUST support the following subset of the IMAP METADATA Extension [RFC 5464] standard: `SETMETADATA` calls with the paths and value restrictions defined in this document as well as in the IMAP WebPush Extension v1.0.',
      'The sidecar judges each value before Dovecot answers; of several entries in one command either all are set or none, also when it is a push service that refuses one',
      async () => {
        const { client } = await newAccount(stage());
        await client.ok(`SETMETADATA "" (${ENABLED} yes ${CONFIG}/message-filter "active")`);
        assert.equal(await get(client, `${CONFIG}/message-filter`), 'active');
        const { status } = await client.command(
          `SETMETADATA "" (/private/comment "x" ${ENABLED} NIL ${CONFIG}/message-filter "wrong")`,
        );
        assert.equal(status, 'NO');
        assert.equal(await get(client, ENABLED), 'yes');
        assert.equal(await get(client, '/private/comment'), null);

        const { client: other } = await newAccount(stage());
        const [agent, gone] = [await stage().userAgent(), await stage().userAgent()];
        const old = await subscribe(other, agent);
        gone.answer = answerWith(410);
        const setAll = async (to: UserAgent): Promise<string> => {
          const value = JSON.stringify(subscription(to));
          const entries = `${ENABLED} yes ${pathOf(old)} NIL ${pathOf(newId())} ${value}`;
          return (await other.command(`SETMETADATA "" (/private/comment "x" ${entries})`)).status;
        };
        assert.equal(await setAll(gone), 'NO');
        assert.equal(await get(other, ENABLED), null);
        assert.equal(await get(other, '/private/comment'), null);
        const left = await other.getMetadata('', [SUBSCRIPTIONS], '1');
        assert.deepEqual([...left.keys()], [pathOf(old)]);
        assert.equal(await setAll(agent), 'OK');
        assert.equal(await get(other, ENABLED), 'yes');
        assert.equal(await get(other, '/private/comment'), 'x');
        assert.equal(await listed(other, old), null);
      },
    );

    sentence(
      'MUST',
      'A COI server MUST support the following subset of the IMAP METADATA Extension [RFC 5464] standard: `GETMETADATA` calls with the paths defined in this document as well as in the IMAP WebPush Extension v1.0, this included support for the `DEPTH` parameter.',
      'Every entry by its name, and below a path with DEPTH 1 and infinity',
      async () => {
        const { client } = await coiAccount(stage(), 'seen');
        const below = async (entry: string, depth: '0' | '1' | 'infinity'): Promise<string[]> => {
          const found = await client.getMetadata('', [entry], depth);
          return [...found].filter(([, value]) => value !== null).map(([name]) => name);
        };
        const all = ['enabled', 'mailbox-root', 'message-filter'].map(
          (name) => `${CONFIG}/${name}`,
        );
        assert.deepEqual(await below(ENABLED, '0'), [ENABLED]);
        assert.deepEqual(await below(CONFIG, '0'), []);
        assert.deepEqual((await below(CONFIG, '1')).sort(), all);
        assert.deepEqual(await below(`${VENDOR}/coi`, '1'), []);
        assert.deepEqual((await below(`${VENDOR}/coi`, 'infinity')).sort(), all);
      },
    );

    sentence(
      'MAY',
      'A COI server MAY announce the METADATA capability to clients.',
      'Announced',
      async () => {
        assert.ok((await capabilities()).includes('METADATA'));
      },
    );

    sentence(
      'MAY',
      'A COI server MAY reject any paths that are not defined in this document or in IMAP WebPush Extension v1.0.',
      'Unknown paths under /private/vendor/vendor.dovecot/coi are answered with NO; all others are none of its business and kept',
      async () => {
        const { client } = await newAccount(stage());
        for (const path of ['coi/config/other', 'coi/other', 'coi/config/enabled/more']) {
          await refuse(client, `${VENDOR}/${path}`, 'yes', path);
        }
        await set(client, '/private/vendor/example/coi/config/enabled', 'whatever');
        assert.equal(await get(client, ENABLED), null);
      },
    );
  });

  section('Recommended Standards', (sentence) => {
    const recommended: [text: string, names: string[]][] = [
      [
        'IMAP4 IDLE Command [RFC 2177] and IMAP NOTIFY Extension [RFC 5465]: Used to poll for new messages',
        ['IDLE', 'NOTIFY'],
      ],
      [
        'IMAP4 Binary Content Extension [RFC 3516]: Used to reduce traffic between client and server',
        ['BINARY'],
      ],
      [
        'IMAP Extension for Referencing the Last SEARCH Result [RFC 5182] and IMAP ESORT Extension [RFC 5267]: Improves efficiency of client sync',
        ['SEARCHRES', 'ESORT'],
      ],
      [
        'IMAP4 Quick Flag Changes Resynchronization (CONDSTORE) and Quick Mailbox Resynchronization (QRESYNC) [RFC 7162]: Improves efficiency of client sync',
        ['CONDSTORE', 'QRESYNC'],
      ],
    ];
    for (const [text, names] of recommended) {
      sentence(
        'RECOMMENDED',
        `The following standards are RECOMMENDED to be supported by a COI server: ${text}`,
        'Dovecot’s own',
        async () => {
          const announced = await capabilities();
          for (const name of names) assert.ok(announced.includes(name), name);
        },
      );
    }
  });

  section('COI Capability', (sentence) => {
    for (const name of ['COI', 'WEBPUSH']) {
      sentence(
        'MUST',
        `For a COI server, the following capabilities MUST be listed in the response: ${name}`,
        '`imap_capability` in Dovecot’s configuration; after login only, as in the specification’s example',
        async () => {
          assert.ok((await capabilities()).includes(name));
          const stranger = await ImapClient.open(stage().dovecot.imap);
          const { untagged } = await stranger.ok('CAPABILITY');
          assert.ok(untagged.join().includes('IMAP4rev1'));
          assert.ok(!untagged.join().split(' ').includes(name));
          await stranger.close();
        },
      );
    }
  });

  section('Getting COI Namespace Configuration', (sentence) => {
    sentence(
      'MUST',
      'Servers MUST provide the configuration using a `GETMETADATA` call with using the `/private/vendor/vendor.dovecot/coi/config` path prefix.',
      'The specification’s example, word by word: one response with all entries',
      async () => {
        const { client } = await coiAccount(stage(), 'active');
        for (const path of [`(${CONFIG})`, CONFIG]) {
          const { untagged } = await client.ok(`GETMETADATA (DEPTH 1) "" ${path}`);
          assert.deepEqual(untagged, [
            `METADATA "" (${CONFIG}/enabled {3}\r\nyes ${CONFIG}/mailbox-root {3}\r\nCOI ` +
              `${CONFIG}/message-filter {6}\r\nactive)`,
          ]);
        }
      },
    );

    sentence(
      'MUST',
      'Only mailbox-root MUST exist for any user of a COI server.',
      'Whether or not COI is enabled; the others are NIL until they are set',
      async () => {
        const { client } = await newAccount(stage());
        const { untagged } = await client.ok(`GETMETADATA (DEPTH 1) "" (${CONFIG})`);
        assert.deepEqual(untagged, [`METADATA "" (${MAILBOX_ROOT} {3}\r\nCOI)`]);
        const each = ['enabled', 'mailbox-root', 'message-filter'].map(
          (name) => `${CONFIG}/${name}`,
        );
        assert.deepEqual([...(await client.getMetadata('', each)).values()], [null, 'COI', null]);
      },
    );

    sentence(
      'MAY',
      'Servers MAY allow to set a user-individual `mailbox-root`.',
      { instead: 'nobody can set it: one root for all, `coi.mailbox_root`' },
      async () => {
        const { client } = await newAccount(stage());
        await refuse(client, MAILBOX_ROOT, 'COI');
        await refuse(client, MAILBOX_ROOT, null);
      },
    );

    sentence(
      'rule',
      'Example for unsuccessfully setting the `mailbox-root`: `a NO [CANNOT] unable to set /private/vendor/vendor.dovecot/coi/config/mailbox-root`',
      {
        instead:
          '`NO [SERVERBUG] Internal error occurred…`: nothing outside Dovecot’s own process can choose that text. Dovecot’s log has it',
      },
      async () => {
        const { user, client } = await newAccount(stage());
        const { status, text } = await client.command(`SETMETADATA "" (${MAILBOX_ROOT} myroot)`);
        assert.equal(status, 'NO');
        assert.match(text, /^\[SERVERBUG\] Internal error occurred/);
        const logged = await errorsOf(stage(), user);
        assert.equal(logged.length, 1);
        assert.match(logged.join(), new RegExp(`unable to set ${MAILBOX_ROOT}`));
      },
    );
  });
});
