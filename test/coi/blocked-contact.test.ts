import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  hashAddress,
  isFromBlocked,
  readHashes,
  senderHashes,
} from '../../src/coi/blocked-contact.ts';

// The specification's example (coi-client-spec, "Contact Storage Message Example")
const AT_COI_DEV = '74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0';
const AT_EXAMPLE = '834d1654133366cef4d81e81a7099f413b1b85b9fc9dd62140491303dec56532';

describe('hashAddress', () => {
  test('john.doe@coi-dev.org and john.doe@example.com hash as in the specification', () => {
    assert.equal(hashAddress('john.doe@coi-dev.org'), AT_COI_DEV);
    assert.equal(hashAddress('john.doe@example.com'), AT_EXAMPLE);
  });
  test('quotes, letter case and punycode make no difference', () => {
    assert.equal(hashAddress('"John.Doe"@EXAMPLE.com'), AT_EXAMPLE);
    assert.equal(hashAddress('J@xn--bcher-kva.example'), hashAddress('j@bücher.example'));
  });
});

describe('readHashes', () => {
  test('a contact with two addresses', () => {
    assert.deepEqual(readHashes([AT_COI_DEV, AT_EXAMPLE]), [AT_COI_DEV, AT_EXAMPLE]);
  });

  const hashes: [value: string, hashes: string[]][] = [
    [AT_EXAMPLE, [AT_EXAMPLE]],
    [AT_EXAMPLE.toUpperCase(), [AT_EXAMPLE]],
    [`\n ${AT_EXAMPLE} `, [AT_EXAMPLE]],
    [AT_EXAMPLE.slice(1), []],
    [`${AT_EXAMPLE}0`, []],
    [AT_EXAMPLE.replace('8', 'g'), []],
    ['', []],
  ];
  for (const [value, expected] of hashes) {
    test(`COI-From-Hash: ${JSON.stringify(value)}`, () => {
      assert.deepEqual(readHashes([value]), expected);
    });
  }
});

describe('isFromBlocked', () => {
  const blocked = new Set([AT_EXAMPLE, hashAddress('jörg@bücher.example')]);
  const cases: [from: string, blocked: boolean][] = [
    ['john.doe@example.com', true],
    ['John <John.Doe@Example.com>', true],
    ['=?utf-8?q?John?= <"john.doe"@example.com>', true],
    ['john.doe@example.com (John)', true],
    ['Eve <eve@example.com>, john.doe@example.com', true],
    ['Crew: eve@example.com, john.doe@example.com;', true],
    ['Jörg <JÖRG@BÜCHER.example>', true],
    ['jörg@xn--bcher-kva.example', true],
    ['john.doe@example.com.evil.example', false],
    ['"john.doe@example.com" <eve@example.com>', false],
    ['john.doe <eve@example.com>', false],
    ['eve@example.com', false],
    ['john.doe', false],
    ['', false],
  ];
  for (const [from, expected] of cases) {
    test(`From: ${from}`, () => {
      assert.equal(isFromBlocked(from, blocked), expected);
      assert.equal(isFromBlocked(from, new Set()), false);
    });
  }

  test('a client may have hashed a punycode domain as it came', () => {
    const hashes = senderHashes('J@mail.XN--bcher-kva.example');
    assert.equal(hashes.length, 2);
    assert.equal(hashes[0], hashAddress('j@mail.bücher.example'));
    // printf %s j@mail.xn--bcher-kva.example | openssl dgst -sha3-256
    assert.equal(hashes[1], '55d803296f6dec51d35f091f34a094442b2300fbee9adc8370ba4b2602534efa');
  });

  for (const from of ['', 'John', 'John <>']) {
    test(`no sender: ${from}`, () => assert.deepEqual(senderHashes(from), []));
  }
});
