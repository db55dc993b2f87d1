import assert from 'node:assert/strict';
import { LmtpConnection } from '../../../src/cli/demo/lmtp-client.ts';
import { conformance } from '../../support/conformance.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  ENABLED,
  eventually,
  FILTER,
  flagsIn,
  get,
  listed,
  mail,
  mailboxes,
  newAccount,
  newId,
  register,
  set,
  settle,
  subscribe,
} from './steps.ts';

const options = { config: { webpush: { subscription_limit: 2 } } };

conformance(import.meta.url, 'c-plugin', options, ({ stage, section }) => {
  section('Faults of the C plugin', (sentence) => {
    sentence(
      'rule',
      '`message-filter NIL` crashes the session.',
      'It sets the filter back to its default, `none`',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        assert.equal((await client.command(`SETMETADATA "" (${FILTER} NIL)`)).status, 'OK');
        assert.equal(await get(client, FILTER), null);
        await client.ok('NOOP');
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await flagsIn(client, 'INBOX'), [['$Chat']]);
        const fresh = await newAccount(stage());
        await set(fresh.client, FILTER, null);
      },
    );

    sentence(
      'rule',
      'Subscriptions with `msgtype` `all` or `mail` are refused.',
      'They are taken, and listed as they are',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        for (const msgtype of ['all', 'mail']) {
          const id = await subscribe(client, agent, { msgtype });
          assert.equal((await listed(client, id))?.['msgtype'], msgtype);
        }
      },
    );

    sentence(
      'rule',
      'A rename of the parent leaves COI enabled without a Chats folder.',
      'It is undone; into the trash, it disables COI',
      async () => {
        const { client } = await coiAccount(stage());
        await client.ok('RENAME COI Elsewhere');
        await settle(stage());
        assert.equal(await get(client, ENABLED), 'yes');
        assert.ok((await mailboxes(client)).includes('COI/Chats'));
        await client.ok('RENAME COI Trash/COI');
        await settle(stage());
        assert.equal(await get(client, ENABLED), null);
      },
    );

    sentence(
      'rule',
      'A subscription cannot be replaced at the limit.',
      'It can: its place is taken already',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        const ids = [await subscribe(client, agent), newId()];
        await register(client, agent, {}, ids[1]);
        for (const id of ids) await subscribe(client, agent, { device: 'replaced' }, id);
        assert.equal((await listed(client, ids[0] ?? ''))?.['device'], 'replaced');
      },
    );

    sentence(
      'rule',
      '$Chat leaks to another recipient of the same LMTP transaction.',
      'Each recipient’s copy is classified by that recipient’s own settings, in whatever order they are named',
      async () => {
        const [active, none] = [
          await coiAccount(stage(), 'active'),
          await coiAccount(stage(), 'none'),
        ];
        const without = await newAccount(stage());
        const users = [active.user, without.user, none.user];
        for (const order of [users, users.toReversed()]) await deliverTo(stage(), order, chat());
        assert.deepEqual(await flagsIn(active.client, 'COI/Chats'), [['$Chat'], ['$Chat']]);
        assert.deepEqual(await flagsIn(without.client, 'INBOX'), [[], []]);
        assert.deepEqual(await flagsIn(none.client, 'INBOX'), [['$Chat'], ['$Chat']]);
        assert.deepEqual(await mailboxes(without.client), []);
      },
    );

    sentence(
      'rule',
      'A filter change is not seen for an hour.',
      'It is in force for the next message, on an LMTP connection that was open before as well',
      async () => {
        const { user, client } = await coiAccount(stage(), 'none');
        const lmtp = await LmtpConnection.open(stage().dovecot.lmtp);
        const deliver = () => lmtp.deliver('alice@example.org', [user], chat());
        await deliver();
        await set(client, FILTER, 'active');
        await deliver();
        await set(client, FILTER, 'seen');
        await deliver();
        await set(client, ENABLED, null);
        await deliver();
        await lmtp.close();
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
        assert.deepEqual(await flagsIn(client, 'INBOX'), [['$Chat'], ['$Chat'], []]);
      },
    );

    sentence(
      'rule',
      'A replacing `STORE FLAGS (\\Seen)` loses $Chat on the move.',
      'The message is moved, and has $Chat again; one from which the user took $Chat before stays',
      async () => {
        const { user, client } = await coiAccount(stage(), 'seen');
        for (const one of [chat(), mail(), chat()]) await deliverTo(stage(), user, one);
        await client.ok('SELECT INBOX');
        await client.ok('UID STORE 3 -FLAGS ($Chat)');
        await client.ok('UID STORE 1:3 FLAGS (\\Seen)');
        await eventually(async () => {
          assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['\\Seen', '$Chat']]);
        });
        await settle(stage());
        assert.deepEqual(await flagsIn(client, 'INBOX'), [['\\Seen'], ['\\Seen']]);
      },
    );
  });
});
