import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { conformance } from '../../support/conformance.ts';
import { get, newAccount, refuse, set, VAPID, VENDOR } from './steps.ts';

conformance(import.meta.url, 'webpush-spec', {}, ({ stage, section }) => {
  section('VAPID Key', (sentence) => {
    sentence(
      'rule',
      'Clients can determine the VAPID key by using the `GETMETADATA` command. It is located at /private/vendor/vendor.dovecot/webpush/vapid.',
      'Made at the first read, once even when several sessions read at the same time, and the same ever after',
      async () => {
        const { user, client } = await newAccount(stage());
        const sessions = await Promise.all(Array.from({ length: 4 }, () => stage().login(user)));
        const read = await Promise.all([client, ...sessions].map((one) => get(one, VAPID)));
        assert.ok(read[0]);
        assert.equal(new Set(read).size, 1);
        await stage().restart();
        assert.equal(await get(client, VAPID), read[0]);
        await refuse(client, VAPID, 'mine');
        await refuse(client, VAPID, null);
      },
    );

    sentence(
      'MAY',
      'The VAPID key MAY be user-specific or shared among all clients connected to an IMAP server.',
      'User-specific',
      async () => {
        const [one, other] = [await newAccount(stage()), await newAccount(stage())];
        assert.notEqual(await get(one.client, VAPID), await get(other.client, VAPID));
      },
    );

    sentence(
      'MUST',
      'The server MUST return the VAPID key in the base 64-encoded form of the PEM encoded key, for details compare [RFC 1421].',
      'As in the specification’s example: SubjectPublicKeyInfo as PEM, 64 characters a line, LF, none at the end; nothing of the private key can be read',
      async () => {
        const { client, user } = await newAccount(stage());
        const { untagged } = await client.ok(`GETMETADATA "" ${VAPID}`);
        const lines = [
          String.raw`METADATA "" \(/private/vendor/vendor\.dovecot/webpush/vapid \{\d+\}\r`,
          String.raw`(-----BEGIN PUBLIC KEY-----`,
          String.raw`[A-Za-z0-9+/]{64}`,
          String.raw`[A-Za-z0-9+/=]{1,64}`,
          String.raw`-----END PUBLIC KEY-----)\)`,
        ];
        const shown = new RegExp(`^${lines.join('\n')}$`).exec(untagged[0] ?? '');
        assert.ok(shown, untagged.join());
        const key = createPublicKey({ key: shown[1] ?? '', format: 'pem' });
        assert.equal(key.asymmetricKeyDetails?.namedCurve, 'prime256v1');

        await set(client, `${VENDOR}/other`, 'x');
        const all = await client.getMetadata('', [VENDOR], 'infinity');
        const { stdout } = await stage().dovecot.runDoveadm(
          `mailbox metadata list -u ${user} -s`.split(' ').concat(''),
        );
        assert.deepEqual(
          [...all.keys(), ...stdout.split('\n')].filter((name) => name.includes('vapid')),
          [VAPID, 'vendor/vendor.dovecot/webpush/vapid'],
        );
        assert.doesNotMatch([...all.values()].join(), /PRIVATE/);
      },
    );
  });
});
