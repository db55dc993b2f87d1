import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { conformance } from '../../support/conformance.ts';
import {
  deliverTo,
  get,
  listed,
  mail,
  newAccount,
  newId,
  pathOf,
  refuse,
  register,
  set,
  subscribe,
  subscription,
  SUBSCRIPTIONS,
  userScript,
} from './steps.ts';

const options = {
  config: {
    // Refusals are the point here: nobody is to be slowed down for them.
    abuse: { refusals: 10_000 },
    webpush: { subscription_limit: 4, allow_private_endpoints: ['localhost'] },
  },
};

conformance(import.meta.url, 'webpush-spec', options, ({ stage, section }) => {
  /** Someone with a user agent, to try subscriptions on. */
  async function newSubscriber() {
    const [{ user, client }, agent] = [await newAccount(stage()), await stage().userAgent()];
    const { resource } = agent;
    return {
      ...{ user, client, agent, resource },
      /** Tries each on a free ID, and takes it away again. */
      tryAll: async (taken: Record<string, unknown>[], refused: Record<string, unknown>[]) => {
        for (const entries of refused) {
          await refuse(client, pathOf(newId()), subscription(agent, entries));
        }
        for (const entries of taken) {
          const id = newId();
          await register(client, agent, entries, id);
          const { created, validated, ...kept } = (await listed(client, id)) ?? {};
          assert.deepEqual([typeof created, validated], ['string', false]);
          assert.deepEqual(kept, JSON.parse(subscription(agent, entries)));
          await set(client, pathOf(id), null);
        }
      },
    };
  }

  section('Subscribe', (sentence) => {
    sentence(
      'MUST',
      'A WebPush server MUST support subscribing to push events.',
      'The specification’s example, line by line and with a non-synchronizing literal, followed by its validation push',
      async () => {
        const { client, agent, resource } = await newSubscriber();
        const path = `${SUBSCRIPTIONS}/31754ee7-d3ee-4226-b112-6895ed26fcf8`;
        const value = [
          '{',
          '"client": "My awesome WebPush App",',
          '"device": "My Favorite Smartphone",',
          '"msgtype": "chat",',
          '"resource":',
          '{',
          `"endpoint": "${resource.endpoint}",`,
          '"keys": {',
          `"p256dh": "${resource.keys.p256dh}",`,
          `"auth": "${resource.keys.auth}"`,
          '}',
          '}',
          '}',
          '',
        ].join('\n');
        await client.ok(`SETMETADATA "" (${path} {${value.length}+}\r\n${value})`);
        assert.equal(typeof (await agent.next()).payload['validation'], 'string');
      },
    );

    sentence(
      'MUST',
      'The metadata entry name MUST start with /private/vendor/vendor.dovecot/webpush/subscriptions/ followed by the client-generated, unique ID of the push registration.',
      'Entry names are case-insensitive (RFC 5464) and reach the sidecar in lower case: IDs that differ in case only are one',
      async () => {
        const { client, agent } = await newSubscriber();
        const value = subscription(agent);
        for (const path of [SUBSCRIPTIONS, `${SUBSCRIPTIONS}/a-long-name/b`]) {
          await refuse(client, path, value);
        }
        await set(client, `${SUBSCRIPTIONS}/Mixed-Case_ID`, value);
        assert.notEqual(await get(client, `${SUBSCRIPTIONS}/MIXED-CASE_ID`), null);
        assert.notEqual(await listed(client, 'mixed-case_id'), null);
      },
    );

    sentence(
      'MUST',
      'The push registration ID MUST only contain ASCII alphanumeric or minus or underline characters: `[0-9A-Za-z_-]`.',
      'NO to any other; what Dovecot itself takes for no entry name is answered with BAD',
      async () => {
        const { client, agent } = await newSubscriber();
        const value = subscription(agent);
        for (const id of ['ten chars!', 'with.a.dot', 'with+a+plus', 'with~a~tilde']) {
          await refuse(client, pathOf(id), value);
        }
        const quoted = value.replaceAll('"', String.raw`\"`);
        // Not as a literal: there Dovecot 2.3.19 panics after its BAD.
        for (const id of ['percent%2Fed', 'ümlaut-umlaut', 'asterisk-**', '']) {
          const { status } = await client.command(`SETMETADATA "" ("${pathOf(id)}" "${quoted}")`);
          assert.equal(status, 'BAD', id);
        }
        assert.equal((await client.getMetadata('', [SUBSCRIPTIONS], 'infinity')).size, 0);
        await set(client, `${SUBSCRIPTIONS}/abcxyz-ABCXYZ_0189`, value);
      },
    );

    sentence(
      'MUST',
      'The push registration ID MUST be at least 10 and at most 36 characters long.',
      'NO to any other',
      async () => {
        const { client, agent } = await newSubscriber();
        const value = subscription(agent);
        await refuse(client, pathOf('a'.repeat(9)), value);
        await set(client, pathOf('a'.repeat(10)), value);
        await set(client, pathOf('a'.repeat(36)), value);
        await refuse(client, pathOf('a'.repeat(37)), value);
      },
    );

    sentence(
      'rule',
      'Accepted contents for the data is a JSON-serialized object',
      'NO to anything else',
      async () => {
        const { client, agent } = await newSubscriber();
        const value = subscription(agent);
        for (const other of ['', '{}', '[]', 'null', '"text"', value.slice(0, -1), `${value}x`]) {
          await refuse(client, pathOf(newId()), other);
        }
      },
    );

    for (const name of ['client', 'device'] as const) {
      sentence(
        'rule',
        `\`${name}\`: the name of the ${name} (string, max-length is 128 octets)`,
        'Octets of UTF-8. It may be missing',
        async () => {
          const { tryAll } = await newSubscriber();
          const [longest, tooLong] = ['ü'.repeat(64), 'ü'.repeat(64) + 'x'];
          await tryAll(
            [longest, '', undefined].map((text) => ({ [name]: text })),
            [tooLong, 1, null, {}].map((text) => ({ [name]: text })),
          );
        },
      );
    }

    sentence(
      'rule',
      '`msgtype`: string, the type of messages for which notifications are requested. Possible values are: `"chat"`, `"mail"`, `"all"`',
      'It must be there',
      async () => {
        const { tryAll } = await newSubscriber();
        await tryAll(
          ['chat', 'mail', 'all'].map((msgtype) => ({ msgtype })),
          [undefined, null, 1, ['chat'], ''].map((msgtype) => ({ msgtype })),
        );
      },
    );

    sentence(
      'rule',
      '`"chat"`: for chat messages, for the purpose of this documentation a chat email message is marked with the $Chat keyword. `"mail"`: for standard mail messages, excluding chat email messages.',
      'Whoever marks it: with COI disabled, a Sieve script of the user',
      async () => {
        const { user, client } = await newAccount(stage());
        const script =
          'require "imap4flags"; if header :is "X-Room" "yes" { addflag "$Chat"; keep; }';
        await userScript(stage(), user, script);
        const [chatOnly, mailOnly] = [await stage().userAgent(), await stage().userAgent()];
        await subscribe(client, chatOnly, { msgtype: 'chat' });
        await subscribe(client, mailOnly, { msgtype: 'mail' });
        for (const room of ['yes', 'no', 'yes', 'no']) {
          await deliverTo(stage(), user, mail(`X-Room: ${room}`, `Subject: ${room}`));
        }
        for (const [agent, subject] of [
          [chatOnly, 'yes'],
          [mailOnly, 'no'],
        ] as const) {
          const subjects = [await agent.next(), await agent.next()].map(
            ({ payload }) => payload['subject'],
          );
          assert.deepEqual(subjects, [subject, subject]);
        }
      },
    );

    sentence(
      'RECOMMENDED',
      'It is RECOMMENDED to treat `msgtype` values case sensitive and to not allow any other values than specified above.',
      {
        instead:
          'case-sensitive, and two more values: the C plugin’s `any` and `email` are taken for `all` and `mail`, and listed as these',
      },
      async () => {
        const { client, agent, tryAll } = await newSubscriber();
        const others = ['Chat', 'CHAT', 'Mail', 'ALL', 'chats', 'none', 'ANY', 'Email', ' chat'];
        await tryAll(
          [],
          others.map((msgtype) => ({ msgtype })),
        );
        for (const [old, msgtype] of Object.entries({ any: 'all', email: 'mail' })) {
          const id = newId();
          await set(client, pathOf(id), subscription(agent, { msgtype: old }));
          assert.equal((await listed(client, id))?.['msgtype'], msgtype);
        }
      },
    );

    sentence(
      'rule',
      'resource: object, the push resource as specified by [RFC 8030] and [RFC 8292] with the children `endpoint` and `keys`.',
      'Both must be there',
      async () => {
        const { resource, tryAll } = await newSubscriber();
        const { endpoint, keys } = resource;
        const others = [undefined, null, [], 'x', { endpoint }, { keys }, { endpoint, keys: [] }];
        await tryAll(
          [{ resource }],
          others.map((other) => ({ resource: other })),
        );
      },
    );

    sentence(
      'rule',
      '`endpoint` specifies the URL for sending push requests (string, max length is 512 octets).',
      'https only, and no host that only our own network knows, unless `webpush.allow_private_endpoints` names it',
      async () => {
        const { resource, tryAll } = await newSubscriber();
        const withEndpoint = (endpoint: unknown) => ({ resource: { ...resource, endpoint } });
        const ofLength = (octets: number): string => resource.endpoint.padEnd(octets, 'x');
        const refused = [
          ...[undefined, 1, '', 'x', '/push', ofLength(513), 'ftp://push.example.net/'],
          ...['https://10.0.0.1/', 'https://[fd00::1]/', 'https://169.254.169.254/'],
          ...[
            'http://push.example.net/',
            'https://user:pw@push.example.net/',
            'https://1.2.3.4:22/',
          ],
        ];
        await tryAll([withEndpoint(ofLength(512))], refused.map(withEndpoint));
      },
    );

    sentence(
      'rule',
      '`p256dh`: contains the client-generated key for encryption message payload. The key used Elliptic Curve Diffie-Hellman (ECDH) on the P-256 curve as defined by [RFC 8291] (string, max-length is 256 octets).',
      'An uncompressed point of the curve, in base64 or base64url, padded or not',
      async () => {
        const { resource, tryAll } = await newSubscriber();
        const withKey = (p256dh: unknown) => ({
          resource: { ...resource, keys: { ...resource.keys, p256dh } },
        });
        const point = Buffer.from(resource.keys.p256dh, 'base64url');
        const offCurve = Buffer.from(point).fill(1, 40, 50);
        const encodings = [point.toString('base64'), point.toString('base64').replace(/=+$/, '')];
        const refused = [
          ...[undefined, 1, '', 'not base64!', point.subarray(1).toString('base64url')],
          ...[offCurve.toString('base64url'), point.toString('hex'), 'A'.repeat(257)],
          randomBytes(65).toString('base64url'),
        ];
        await tryAll([...encodings, `${resource.keys.p256dh}=`].map(withKey), refused.map(withKey));
      },
    );

    sentence(
      'rule',
      '`auth`: 16-octets long client-generated symmetric secret used for the key generation as defined by [RFC 8291 section 3.2].',
      'In base64 or base64url, padded or not',
      async () => {
        const { resource, tryAll } = await newSubscriber();
        const withAuth = (auth: unknown) => ({
          resource: { ...resource, keys: { ...resource.keys, auth } },
        });
        const octets = Buffer.from(resource.keys.auth, 'base64url');
        const refused = [
          ...[undefined, 1, '', 'not base64!', octets.toString('hex')],
          ...[15, 17].map((length) => randomBytes(length).toString('base64url')),
        ];
        await tryAll(
          [octets.toString('base64'), octets.toString('base64url')].map(withAuth),
          refused.map(withAuth),
        );
      },
    );

    sentence(
      'SHOULD',
      'The server SHOULD ignore unknown key value pairs in the provided JSON structure, meaning they will not be saved.',
      'At every level; `created` and `validated` from a client count as unknown',
      async () => {
        const { user, client, agent, resource } = await newSubscriber();
        const id = newId();
        const { endpoint, keys } = resource;
        await register(
          client,
          agent,
          {
            ...{ extra: 1, validated: true, created: '1970-01-01T00:00:00Z' },
            resource: { endpoint, expirationTime: null, keys: { ...keys, other: 'x' } },
          },
          id,
        );
        const { created, ...kept } = (await listed(client, id)) ?? {};
        assert.deepEqual(kept, { ...JSON.parse(subscription(agent)), validated: false });
        assert.doesNotMatch(String(created), /^1970/);
        for (const { value } of await stage().app.ground.store.list(user, '')) {
          assert.doesNotMatch(value.toString(), /extra|expirationTime|other/);
        }
      },
    );

    sentence(
      'MUST',
      'When the server has received a new subscription, the server MUST add the created JSON element, which is a [ISO 8601] formatted date time with the server’s date and time of the subscription creation.',
      'In UTC, to the second, as in the specification’s example: 2019-10-16T16:14:17+00:00',
      async () => {
        const { client, agent } = await newSubscriber();
        const id = newId();
        const before = Math.floor(Date.now() / 1_000) * 1_000;
        await register(client, agent, {}, id);
        const after = Date.now();
        const created = String((await listed(client, id))?.['created']);
        assert.match(created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
        assert.ok(Date.parse(created) >= before && Date.parse(created) <= after, created);
      },
    );

    sentence(
      'MAY',
      'The server MAY create the `validated` JSON element, which is false by default until the subscription has been validated, compare the "Validate New Subscriptions" section.',
      'Always there',
      async () => {
        const { client, agent } = await newSubscriber();
        const id = newId();
        const token = await register(client, agent, {}, id);
        assert.equal((await listed(client, id))?.['validated'], false);
        await set(client, `${pathOf(id)}/validate`, token);
        assert.equal((await listed(client, id))?.['validated'], true);
      },
    );

    sentence(
      'MUST',
      'A server MUST allow several clients to be subscribed at the same time.',
      'As many as `webpush.subscription_limit` says',
      async () => {
        const { client } = await newAccount(stage());
        const ids = [];
        for (let count = 0; count < 3; count++) {
          ids.push(await subscribe(client, await stage().userAgent()));
        }
        const names = [...(await client.getMetadata('', [SUBSCRIPTIONS], '1')).keys()];
        assert.deepEqual(names.sort(), ids.map(pathOf).sort());
      },
    );

    sentence(
      'RECOMMENDED',
      'The server is, however, RECOMMENDED to limit the number of concurrent subscriptions.',
      '`webpush.subscription_limit`, 10 unless set; several sessions at the same time cannot exceed it',
      async () => {
        const { user, agent } = await newSubscriber();
        const sessions = await Promise.all(Array.from({ length: 8 }, () => stage().login(user)));
        const statuses = await Promise.all(
          sessions.map(async (session) => {
            const { status } = await session.setMetadata('', pathOf(newId()), subscription(agent));
            return status;
          }),
        );
        assert.equal(statuses.filter((status) => status === 'OK').length, 4);
        assert.equal(statuses.filter((status) => status === 'NO').length, 4);
      },
    );

    sentence(
      'MUST',
      'If the maximum number is hit, it MUST answer a subscription request with `NO`. The client then needs to remove an existing subscription first.',
      'Subscriptions that wait for their validation count; storing under an ID that is in use adds none',
      async () => {
        const { client, agent } = await newSubscriber();
        const ids = [await subscribe(client, agent), newId(), newId(), newId()];
        for (const id of ids.slice(1)) await register(client, agent, {}, id);
        await refuse(client, pathOf(newId()), subscription(agent));
        await register(client, agent, { device: 'another' }, ids[0]);
        await set(client, pathOf(ids[3] ?? ''), null);
        await set(client, pathOf(newId()), subscription(agent));
        await refuse(client, pathOf(newId()), subscription(agent));
      },
    );
  });
});
