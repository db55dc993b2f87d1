import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { normaliseAddress } from '../../src/messages/normalise-address.ts';

describe('normaliseAddress: "removing quotes, using UTF-8 and lowercasing the email address"', () => {
  const cases: [address: string, normalised: string][] = [
    ['john.doe@example.com', 'john.doe@example.com'],
    ['John.Doe@Example.COM', 'john.doe@example.com'],
    ['"john.doe"@example.com', 'john.doe@example.com'],
    ['"john doe"@example.com', 'john doe@example.com'],
    [String.raw`"j\"d\\"@example.com`, String.raw`j"d\@example.com`],
    ['JÖRG@BÜCHER.example', 'jörg@bücher.example'],
    ['ПЁТР@Почта.РФ', 'пётр@почта.рф'],
    ['j@xn--bcher-kva.example', 'j@bücher.example'],
    ['j@mail.XN--bcher-KVA.example', 'j@mail.bücher.example'],
    ['xn--@example.com', 'xn--@example.com'],
    ['j@xn--\u{0}', 'j@xn--'],
    ['a@b@xn--bcher-kva.example', 'a@b@bücher.example'],
    ['user@[192.0.2.1]', 'user@[192.0.2.1]'],
    ['User', 'user'],
    ['', ''],
  ];
  for (const [address, normalised] of cases) {
    test(JSON.stringify(address), () => assert.equal(normaliseAddress(address), normalised));
  }
});
