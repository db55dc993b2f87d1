import assert from 'node:assert/strict';
import { conformance } from '../../support/conformance.ts';
import {
  deliverTo,
  get,
  listed,
  mail,
  newAccount,
  newId,
  pathOf,
  register,
  set,
  settlePushes,
  subscribe,
  SUBSCRIPTIONS,
} from './steps.ts';

conformance(import.meta.url, 'webpush-spec', {}, ({ stage, section }) => {
  section('Unsubscribe', (sentence) => {
    sentence(
      'rule',
      'To unsubscribe from push notification set the previously push annotation to `NIL`.',
      'The next message makes no push; NIL to an ID that nothing is stored under is OK too',
      async () => {
        const { user, client } = await newAccount(stage());
        const [leaving, staying] = [await stage().userAgent(), await stage().userAgent()];
        const id = await subscribe(client, leaving);
        await subscribe(client, staying);
        const { status } = await client.command(`SETMETADATA "" (${pathOf(id)} NIL)`);
        assert.equal(status, 'OK');
        assert.equal(await get(client, pathOf(id)), null);
        await set(client, pathOf(id), null);
        await set(client, pathOf(newId()), null);
        await deliverTo(stage(), user, mail());
        await staying.next();
        await settlePushes(stage());
        assert.equal(leaving.waiting, 0);
      },
    );
  });

  section('List Existing Subscriptions', (sentence) => {
    sentence(
      'rule',
      'To list existing subscriptions, call `GETMETADATA` with a `DEPTH` of 1 to the path /private/vendor/vendor.dovecot/webpush/subscriptions.',
      'With DEPTH infinity as well, or one by its name; one’s own only',
      async () => {
        const { user, client } = await newAccount(stage());
        const { client: stranger } = await newAccount(stage());
        const agent = await stage().userAgent();
        const ids = [await subscribe(client, agent), await subscribe(client, agent)];
        for (const command of [
          `GETMETADATA (DEPTH 1) "" (${SUBSCRIPTIONS})`,
          `GETMETADATA (DEPTH 1) "" ${SUBSCRIPTIONS}`,
          `GETMETADATA (DEPTH infinity) "" ${SUBSCRIPTIONS}`,
          `GETMETADATA "" (${ids.map(pathOf).join(' ')})`,
        ]) {
          const { untagged } = await client.ok(command);
          const named = [...untagged.join().matchAll(/subscriptions\/([a-z0-9-]+) \{/g)];
          assert.deepEqual(named.map(([, id]) => id).sort(), ids, command);
        }
        const { untagged } = await client.ok(`GETMETADATA "" (${SUBSCRIPTIONS})`);
        assert.doesNotMatch(untagged.join(), /endpoint/, 'DEPTH 0 shows the path alone');
        assert.equal((await stranger.getMetadata('', [SUBSCRIPTIONS], '1')).size, 0);
        const again = await stage().login(user);
        assert.equal((await again.getMetadata('', [SUBSCRIPTIONS], '1')).size, 2);
      },
    );

    sentence(
      'rule',
      'Note that the server will also list the `created` key using a [RFC 3339] format timestamp value and the `validated` key, which is either `true` or `false`.',
      'The specification’s example, key by key in its order: one line of JSON',
      async () => {
        const { client } = await newAccount(stage());
        const agent = await stage().userAgent();
        const id = newId();
        const entries = { device: 'mydevicename', client: 'OX COI Messenger "ü"', msgtype: 'chat' };
        const token = await register(client, agent, entries, id);
        const { created } = (await listed(client, id)) ?? {};
        assert.match(String(created), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
        const shown = (validated: boolean): string =>
          `{"created":"${String(created)}","validated":${validated},` +
          `"client":"OX COI Messenger \\"ü\\"","device":"mydevicename","msgtype":"chat",` +
          `"resource":{"endpoint":"${agent.resource.endpoint}","keys":` +
          `{"p256dh":"${agent.resource.keys.p256dh}","auth":"${agent.resource.keys.auth}"}}}`;
        assert.equal(await get(client, pathOf(id)), shown(false));
        await set(client, `${pathOf(id)}/validate`, token);
        const { untagged } = await client.ok(`GETMETADATA (DEPTH 1) "" (${SUBSCRIPTIONS})`);
        const json = shown(true);
        assert.deepEqual(untagged, [
          `METADATA "" (${pathOf(id)} {${Buffer.byteLength(json)}}\r\n${json})`,
        ]);
      },
    );
  });
});
