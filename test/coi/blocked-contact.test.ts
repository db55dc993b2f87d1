import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
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
  const comment = (chars: number): string => `(${'x'.repeat(chars)})`;
  const others = (count: number): string =>
    Array.from({ length: count }, (_, number) => `Eve <eve${number}@example.com>, `).join('');
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
    [`${comment(5_000)} john.doe@example.com`, true],
    [`John ${comment(60_000)} <john.doe@example.com>`, true],
    [`${others(16)}john.doe@example.com`, true],
    [`${others(900)}john.doe@example.com`, true],
    ['john.doe@example.com.', true],
    ['John <john.doe@EXAMPLE.com.>', true],
    ['John <john.doe@example.com...>', true],
    ['John <john.doe@.example..com>', true],
    ['John <john.doe@example。com．。>', true],
    ['John <john.doe@.>', false],
    ['John <@relay.example,@other.example:john.doe@example.com>', true],
    ['John <john.doe (at) @ (the) example . com>', true],
    ['john . doe @ example.com', true],
    ['"john".doe@example.com', true],
    [String.raw`"john\.doe"@example.com`, true],
    ['=?utf-8?q?john=2Edoe?=@example.com', true],
    ['=?utf-8?b?am9obi5kb2VAZXhhbXBsZS5jb20=?=', true],
    ['<=?utf-8?q?john=2Edoe=40example.com?=>', true],
    ['Eve <eve@example.com> <john.doe@example.com>', true],
    ['Empty:; Crew: eve@example.com, John <john.doe@example.com>;', true],
    ['john.doe@example.com <>', true],
    ['john.\u00addoe@exam\u200bple.com', true],
    ['john.doe@\uff45xample\u3002com', true],
    ['jo\u0308rg@bu\u0308cher.example', true],
    // More than anyone reads of a From field.
    [`${comment(70_000)} eve@example.com`, true],
    [`${others(1_100)}eve@example.com`, true],
    [`${comment(5_000)} eve@example.com`, false],
    [`${others(900)}eve@example.com`, false],
    ['(john.doe@example.com) eve@example.com', false],
    ['john.doe@example.com.evil.example', false],
    ['"john.doe@example.com" <eve@example.com>', false],
    ['john.doe <eve@example.com>', false],
    ['eve@example.com', false],
    ['john.doe', false],
    ['', false],
  ];
  for (const [from, expected] of cases) {
    test(`From: ${from.slice(0, 80)}, ${from.length} characters`, () => {
      assert.equal(isFromBlocked([from], blocked), expected);
      assert.equal(isFromBlocked([from], new Set()), false);
    });
  }

  test('each of several From fields counts, and too many count as from the contact', () => {
    const fields = (count: number) => Array.from({ length: count }, () => 'eve@example.com');
    assert.equal(isFromBlocked([...fields(15), 'john.doe@example.com'], blocked), true);
    assert.equal(isFromBlocked(['(unclosed', 'john.doe@example.com'], blocked), true);
    assert.equal(isFromBlocked(fields(16), blocked), false);
    assert.equal(isFromBlocked(fields(17), blocked), true);
    assert.equal(isFromBlocked(fields(17), new Set()), false);
  });

  test('whatever stands around an address, in whatever order, hides it from nobody', () => {
    const plain = fc.constantFrom(
      'eve@example.com',
      'Eve <eve@x.example>',
      'Crew: a@b;',
      '"a, b" <c@d>',
    );
    const around = fc.constantFrom('(note)', ' ', '\t', '(a (b) c)', '');
    const hidden = fc
      .tuple(around, around, fc.constantFrom('john.doe', '"john.doe"', 'John.DOE'), around)
      .map(
        ([before, between, local, behind]) =>
          `${before}<${between}${local}${between}@${between}example.com>${behind}`,
      );
    fc.assert(
      fc.property(fc.array(plain), hidden, fc.array(plain), (first, contact, last) => {
        const from = [...first, contact, ...last].join(', ').replaceAll(';,', ';');
        assert.equal(isFromBlocked([from], blocked), true, from);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a client may have hashed a punycode domain as it came', () => {
    const hashes = [...(senderHashes(['J@mail.XN--bcher-kva.example']) ?? [])];
    assert.equal(hashes.length, 2);
    assert.equal(hashes[0], hashAddress('j@mail.bücher.example'));
    // printf %s j@mail.xn--bcher-kva.example | openssl dgst -sha3-256
    assert.equal(hashes[1], '55d803296f6dec51d35f091f34a094442b2300fbee9adc8370ba4b2602534efa');
  });

  for (const from of ['', 'John', 'John <>']) {
    test(`no sender: ${from}`, () => assert.deepEqual(senderHashes([from]), new Set()));
  }
});
