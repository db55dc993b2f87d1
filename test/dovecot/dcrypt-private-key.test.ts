import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  formatDcryptPrivateKey,
  parseDcryptPrivateKey,
} from '../../src/dovecot/dcrypt-private-key.ts';

/** Written by Dovecot 2.3.19's mail-crypt plugin; the keys have never protected anything. */
const BY_DOVECOT =
  '2:1.3.132.0.35:0:00000041326b0b238ddb8f3b7dd024013e388dc4944e6634b5c1d63907a9fd2201f90881ddfe91d6535085132b930a35c2716e0e630ccc18ed10a8e0d21fd4a185a2770e8b:2a5d660929dbdcbc94a47c17fd1b3bc6cf396ceaea285047a8cdd4a6d5b1ff99';

const pem = (key: KeyObject): string | Buffer => key.export({ format: 'pem', type: 'pkcs8' });

describe("private keys in the format of Dovecot's lib-dcrypt", () => {
  it('reads what Dovecot wrote, and writes it octet by octet', () => {
    const key = parseDcryptPrivateKey(BY_DOVECOT);
    assert.equal(key?.asymmetricKeyDetails?.namedCurve, 'secp521r1');
    assert.equal(formatDcryptPrivateKey(key), BY_DOVECOT);
  });

  it('takes white space around it', () => {
    for (const text of [`${BY_DOVECOT}\n`, ` ${BY_DOVECOT}\r\n`]) {
      const key = parseDcryptPrivateKey(text);
      assert.equal(key && formatDcryptPrivateKey(key), BY_DOVECOT);
    }
  });

  for (const namedCurve of ['prime256v1', 'secp384r1', 'secp521r1']) {
    it(`gives back a key on ${namedCurve}, whatever its first octets are`, () => {
      for (let run = 0; run < 40; run++) {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve });
        const text = formatDcryptPrivateKey(privateKey);
        // OpenSSL takes an MPI whose first bit is set for a negative number.
        assert.match(text, /^2:[\d.]+:0:[0-9a-f]{8}[0-7]/);
        const again = parseDcryptPrivateKey(text);
        assert.ok(again);
        assert.equal(pem(again), pem(privateKey));
      }
    });
  }

  it('gives back a private value with zeros in front', () => {
    const ecdhKey = parseDcryptPrivateKey(BY_DOVECOT);
    assert.ok(ecdhKey);
    const small = createPrivateKey({
      format: 'jwk',
      // d = 1: the public key is the base point of P-256 (SEC 2, section 2.4.2).
      key: {
        kty: 'EC',
        crv: 'P-256',
        d: Buffer.concat([Buffer.alloc(31), Buffer.of(1)]).toString('base64url'),
        x: Buffer.from(
          '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296',
          'hex',
        ).toString('base64url'),
        y: Buffer.from(
          '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
          'hex',
        ).toString('base64url'),
      },
    });
    const text = formatDcryptPrivateKey(small);
    assert.match(text, /^2:1\.2\.840\.10045\.3\.1\.7:0:0000000101:[0-9a-f]{64}$/);
    assert.equal(pem(parseDcryptPrivateKey(text)!), pem(small));
  });

  const [version, oid, encryption, mpi, id] = BY_DOVECOT.split(':') as [
    string,
    string,
    string,
    string,
    string,
  ];
  const bad: [name: string, text: string][] = [
    ['nothing', ''],
    ['another version', ['1', oid, encryption, mpi, id].join(':')],
    ['a curve that VAPID does not know', [version, '1.3.132.0.10', encryption, mpi, id].join(':')],
    [
      'an encrypted key',
      [version, oid, '1', 'aes-256-ctr', 'a', 'sha256', '2048', 'b', id].join(':'),
    ],
    ['another length than it says', [version, oid, encryption, `${mpi}00`, id].join(':')],
    ['the hash of another key', [version, oid, encryption, mpi, id.replace(/^2/, '3')].join(':')],
    ['a private value of zero', [version, oid, encryption, '0000000100', id].join(':')],
    ['no hash', [version, oid, encryption, mpi].join(':')],
    ['PEM', '-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----'],
  ];
  for (const [name, text] of bad) {
    it(`refuses ${name}`, () => assert.equal(parseDcryptPrivateKey(text), undefined));
  }
});
