import assert from 'node:assert/strict';
import { conformance } from '../../support/conformance.ts';
import { ImapClient } from '../../support/imap-client.ts';
import {
  get,
  newAccount,
  newId,
  pathOf,
  refuse,
  set,
  subscription,
  VAPID,
  VENDOR,
} from './steps.ts';

conformance(import.meta.url, 'webpush-spec', {}, ({ stage, section }) => {
  section('Required Standards', (sentence) => {
    sentence(
      'REQUIRED',
      'These IMAP extensions are REQUIRED: IMAP4rev1 [RFC 3501]; a subset of IMAP METADATA Extension [RFC 5464]; REQUIRES support for private annotations (see below)',
      'Dovecot’s own; the private annotations are kept by the sidecar, its attribute dict',
      async () => {
        const { client } = await newAccount(stage());
        assert.match(
          (await client.ok('CAPABILITY')).untagged.join(),
          /\bIMAP4rev1\b.*\bMETADATA\b/,
        );
        await set(client, '/private/comment', 'mine');
        assert.equal(await get(client, '/private/comment'), 'mine');
      },
    );

    sentence(
      'RECOMMENDED',
      'These IMAP extensions are RECOMMENDED: IMAP4 Non-synchronizing Literals [RFC 7888]',
      'Dovecot’s own LITERAL+',
      async () => {
        const { client } = await newAccount(stage());
        assert.match((await client.ok('CAPABILITY')).untagged.join(), /\bLITERAL\+/);
        const agent = await stage().userAgent();
        const value = subscription(agent);
        const path = pathOf(newId());
        await client.ok(`SETMETADATA "" (${path} {${Buffer.byteLength(value)}+}\r\n${value})`);
        assert.notEqual(await get(client, path), null);
      },
    );
  });

  section('Scope of METADATA Support', (sentence) => {
    sentence(
      'MUST',
      'A WebPush server MUST support the following subset of the IMAP METADATA Extension [RFC 5464] standard: `SETMETADATA` calls with the paths and value restrictions defined in this document.',
      'The sidecar judges each value before Dovecot answers',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        const id = newId();
        await set(client, pathOf(id), subscription(agent));
        await refuse(client, pathOf(id), 'not a subscription');
        await set(client, pathOf(id), null);
        assert.equal(await get(client, pathOf(id)), null);
      },
    );

    sentence(
      'MUST',
      'A WebPush server MUST support the following subset of the IMAP METADATA Extension [RFC 5464] standard: `GETMETADATA` calls with the paths defined in this document and support for the `DEPTH` parameter.',
      'Every entry by its name, and below a path with DEPTH 1 and infinity',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        const path = pathOf(newId());
        await set(client, path, subscription(agent));
        const below = async (entry: string, depth: '0' | '1' | 'infinity'): Promise<string[]> => {
          const found = await client.getMetadata('', [entry], depth);
          return [...found].filter(([, value]) => value !== null).map(([name]) => name);
        };
        assert.deepEqual(await below(VAPID, '0'), [VAPID]);
        assert.deepEqual(await below(path, '0'), [path]);
        assert.deepEqual(await below(`${VENDOR}/webpush`, '0'), []);
        assert.deepEqual(await below(`${VENDOR}/webpush`, '1'), [VAPID]);
        assert.deepEqual((await below(`${VENDOR}/webpush`, 'infinity')).sort(), [path, VAPID]);
        assert.deepEqual(await below(`${VENDOR}/webpush/subscriptions`, '1'), [path]);
      },
    );

    sentence(
      'MAY',
      'A WebPush server MAY reject any paths that are not defined in this document.',
      'Unknown paths under /private/vendor/vendor.dovecot/webpush are answered with NO; all others are none of its business and kept',
      async () => {
        const { client } = await newAccount(stage());
        for (const path of ['webpush/other', 'webpush/subscriptions', 'webpush/vapid/private']) {
          await refuse(client, `${VENDOR}/${path}`, 'anything', path);
        }
        await set(client, `${VENDOR}/something/else`, 'kept');
        assert.equal(await get(client, `${VENDOR}/something/else`), 'kept');
      },
    );
  });

  section('Capability', (sentence) => {
    sentence(
      'MUST',
      'The server MUST advertise the `WEBPUSH` capability to announce compliance with this specification.',
      '`imap_capability` in Dovecot’s configuration; also in the answer to LOGIN',
      async () => {
        const { client, user } = await newAccount(stage());
        assert.match((await client.ok('CAPABILITY')).untagged.join(), / WEBPUSH\b/);
        const { imap, password } = stage().dovecot;
        const other = await ImapClient.open(imap);
        const login = await other.ok(`LOGIN "${user}" "${password}"`);
        assert.match([login.text, ...login.untagged].join(), /CAPABILITY .* WEBPUSH\b/);
        await other.close();
        // Those of draft-gougeon-imap-webpush, which has the capability's name as well.
        for (const command of ['GETVAPID', 'WEBPUSH "an-id" NIL', 'ACKWEBPUSH "an-id" "x"']) {
          assert.equal((await client.command(command)).status, 'BAD', command);
        }
      },
    );

    sentence(
      'SHOULD NOT',
      'This capability SHOULD NOT be advertised in non-authenticated state.',
      'The login process keeps Dovecot’s built-in list',
      async () => {
        const stranger = await ImapClient.open(stage().dovecot.imap);
        assert.match(stranger.greeting, /CAPABILITY IMAP4rev1/);
        assert.doesNotMatch(stranger.greeting, /WEBPUSH|COI/);
        const { untagged } = await stranger.ok('CAPABILITY');
        assert.match(untagged.join(), /IMAP4rev1/);
        assert.doesNotMatch(untagged.join(), /WEBPUSH|COI/);
        await stranger.close();
      },
    );
  });
});
