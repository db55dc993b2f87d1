import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import { judgeEndpoint } from '../../../src/webpush/guard/judge-endpoint.ts';
import { HOSTILE_ENDPOINTS } from '../../support/hostile-endpoints.ts';

const nothing = parseGuardPolicy([]);
const verdict = (endpoint: string, entries: string[] = []): string => {
  const judged = judgeEndpoint(endpoint, parseGuardPolicy(entries));
  return judged.allowed ? 'allowed' : judged.reason;
};

describe('judgeEndpoint', () => {
  for (const endpoint of [
    'https://fcm.googleapis.com/fcm/send/abc:def',
    'https://updates.push.services.mozilla.com/wpush/v2/gAAAAA',
    'https://web.push.apple.com/QGuQyavXutnMH',
    'https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%2f',
    'https://example.com:443/push/send/123-123-123-123',
    'https://ntfy.example.org:8443/up?x=y',
    'https://ntfy.example.org:1024/',
    'https://1.1.1.1/push',
    'https://[2606:4700:4700::1111]/push',
    'HTTPS://Push.Example.ORG/x',
  ]) {
    it(`takes ${endpoint}`, () => assert.equal(verdict(endpoint), 'allowed'));
  }

  for (const [endpoint, target] of [
    ['https://push.example.org', '/'],
    ['https://push.example.org?x', '/?x'],
    ['HTTPS://push.example.org:8443/x', '/x'],
    ["https://push.example.org/a'b?c='d'", "/a'b?c='d'"],
    ['https://push.example.org/x?', '/x?'],
    ['https://push.example.org/x??y?', '/x??y?'],
    ['https://push.example.org/a/../b/./c//d/..', '/a/../b/./c//d/..'],
    ['https://push.example.org/%2e%2E/%41%zz%', '/%2e%2E/%41%zz%'],
    ['https://push.example.org//other.example/', '//other.example/'],
    ['https://push.example.org/x?to=https://y@z/', '/x?to=https://y@z/'],
    ['https://push.example.org/{"a"}|^`<>', '/{"a"}|^`<>'],
  ] as const) {
    it(`has of ${endpoint} the target ${target}`, () => {
      const judged = judgeEndpoint(endpoint, nothing);
      assert.equal(judged.allowed && judged.target, target);
    });
  }

  for (const [endpoint, why] of [
    ['http://push.example.org/', /https/],
    ['ftp://push.example.org/', /https/],
    ['file:///etc/passwd', /https/],
    ['//push.example.org/', /https/],
    ['https:push.example.org', /https/],
    ['https:/push.example.org/', /https/],
    ['https:///push.example.org/', /https/],
    ['https://?x', /https/],
    ['https://user@push.example.org/', /user information/],
    ['https://user:secret@push.example.org/', /user information/],
    ['https://@push.example.org/', /user information/],
    ['https://push.example.org:80/', /port/],
    ['https://push.example.org:22/', /port/],
    ['https://push.example.org:1023/', /port/],
    ['https://push.example.org:0/', /port/],
    ['https://push.example.org:65536/', /valid URL/],
    ['https://push.example.org/#fragment', /fragment/],
    ['https://push.example.org/#', /fragment/],
    ['https://push.example.org./', /valid host/],
    ['https://push.exam\tple.org/', /blank/],
    ['https://push.example.org/\n', /blank/],
    [' https://push.example.org/', /blank/],
    ['https://push.example.org/ü', /ASCII/],
    ['https://ⓟush.example.org/', /ASCII/],
    ['https:\\\\push.example.org\\x', /backslash/],
    ['https://push.example.org\\@127.0.0.1/', /backslash/],
    ['https://push.example.org:443:443/', /valid URL/],
    ['https://exa<mple.org/', /valid URL/],
    ['', /blank/],
  ] as const) {
    it(`refuses ${JSON.stringify(endpoint)}`, () => assert.match(verdict(endpoint), why));
  }

  for (const endpoint of HOSTILE_ENDPOINTS) {
    it(`refuses ${JSON.stringify(endpoint('8443'))}`, () => {
      assert.notEqual(verdict(endpoint('8443')), 'allowed');
    });
  }

  it('"(string, max length is 512 octets)"', () => {
    const start = 'https://push.example.org/';
    assert.equal(verdict(start.padEnd(512, 'x')), 'allowed');
    assert.match(verdict(start.padEnd(513, 'x')), /512/);
  });

  for (const [endpoint, entries, allowed] of [
    ['http://ntfy.lan/up', ['ntfy.lan'], true],
    ['http://ntfy.lan:81/up', ['ntfy.lan'], true],
    ['http://ntfy.lan:81/up', ['ntfy.lan:80'], false],
    ['http://ntfy.lan/up', ['ntfy.lan:80'], true],
    ['https://127.0.0.1:8443/', ['127.0.0.1'], true],
    ['https://127.1:8443/', ['127.0.0.1'], true],
    ['https://[::1]:8443/', ['::1'], true],
    ['https://10.1.2.3/', ['10.0.0.0/8'], true],
    ['https://10.1.2.3/', ['192.168.0.0/16'], false],
    // What a name stands for is not known yet; the connector decides.
    ['http://ntfy.lan/up', ['10.0.0.0/8'], true],
    ['http://8.8.8.8/up', ['10.0.0.0/8'], false],
    // allow_private_endpoints is about where pushes go, not about how URLs are written.
    ['https://user@ntfy.lan/', ['ntfy.lan'], false],
    ['https://ntfy.lan/#x', ['ntfy.lan'], false],
    ['ftp://ntfy.lan/', ['ntfy.lan'], false],
  ] as const) {
    it(`${allowed ? 'takes' : 'refuses'} ${endpoint} with ${entries.join()}`, () => {
      assert.equal(verdict(endpoint, [...entries]) === 'allowed', allowed);
    });
  }

  it('never throws, and what it allows is https on 443 or above 1023 to a host', () => {
    const pieces = fc.constantFrom(
      'https://',
      'http:',
      '/',
      '@',
      ':',
      '[',
      ']',
      '127.1',
      'a.b',
      '%2f',
      '443',
      '::',
    );
    const endpoints = fc.oneof(
      fc.webUrl(),
      fc.string(),
      fc.array(pieces).map((list) => list.join('')),
    );
    fc.assert(
      fc.property(endpoints, (endpoint) => {
        const judged = judgeEndpoint(endpoint, nothing);
        if (!judged.allowed) return judged.reason.length > 0;
        const { protocol, port, username, hash, hostname } = judged.url;
        assert.match(judged.target, /^\/[!"$-[\]-~]*$/);
        assert.ok(endpoint.endsWith(judged.target) || judged.target[1] !== '/');
        return (
          protocol === 'https:' &&
          (port === '' || Number(port) >= 1_024) &&
          username + hash === '' &&
          hostname !== ''
        );
      }),
    );
  });

  it('does not repeat the endpoint in the reason', () => {
    for (const endpoint of HOSTILE_ENDPOINTS) {
      assert.doesNotMatch(verdict(endpoint('8443')), /secret/);
    }
  });
});
