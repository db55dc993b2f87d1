import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidInputError } from '../../../src/errors.ts';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';

describe('parseGuardPolicy', () => {
  for (const [entry, host, port, allowed] of [
    ['ntfy.lan', 'ntfy.lan', 8_080, true],
    ['NTFY.lan', 'ntfy.lan', 443, true],
    ['bücher.lan', 'xn--bcher-kva.lan', 443, true],
    ['ntfy.lan', 'sub.ntfy.lan', 443, false],
    ['ntfy.lan', 'lan', 443, false],
    ['ntfy.lan', 'evil-ntfy.lan', 443, false],
    ['ntfy.lan:8080', 'ntfy.lan', 8_080, true],
    ['ntfy.lan:8080', 'ntfy.lan', 443, false],
    ['receiver', 'receiver', 80, true],
    ['10.0.0.5', '10.0.0.5', 80, true],
    ['10.0.0.5', '10.0.0.6', 80, false],
    ['10.0.0.5:8080', '10.0.0.5', 8_080, true],
    ['10.0.0.5:8080', '10.0.0.5', 8_081, false],
    ['10.0.0.0/8', '10.255.0.1', 1, true],
    ['10.0.0.0/8', '11.0.0.1', 1, false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', 1, true],
    ['::1', '::1', 80, true],
    ['[::1]', '::1', 80, true],
    ['[fd00::5]:8080', 'fd00::5', 8_080, true],
    ['[fd00::5]:8080', 'fd00::5', 8_081, false],
    ['fd00::/8', 'fd12:3456::1', 443, true],
    ['fd00::/8', 'fe80::1', 443, false],
    ['64:ff9b::/96', '64:ff9b::7f00:1', 443, true],
    [' 127.0.0.1 ', '127.0.0.1', 443, true],
  ] as const) {
    it(`"${entry}" ${allowed ? 'lets' : 'does not let'} ${host} port ${port} through`, () => {
      assert.equal(parseGuardPolicy([entry]).allowsHost(host, port), allowed);
    });
  }

  it('lets nothing through when empty', () => {
    const policy = parseGuardPolicy([]);
    assert.equal(policy.allowsHost('127.0.0.1', 443), false);
    assert.equal(policy.allowsAddress('127.0.0.1', 443), false);
    assert.equal(policy.hasAddresses, false);
  });

  for (const entry of [
    '',
    ' ',
    '*.lan',
    'https://ntfy.lan',
    'ntfy.lan/path',
    'user@ntfy.lan',
    'ntfy.lan:',
    'ntfy.lan:http',
    '10.0.0.0/33',
    '10.0.0',
    '127.1',
    '0x7f000001',
    '300.0.0.1',
    'fd00::/129',
    'two hosts',
    'ntfy.lan.',
  ]) {
    it(`refuses ${JSON.stringify(entry)}`, () => {
      assert.throws(() => parseGuardPolicy([entry]), InvalidInputError);
    });
  }
});
