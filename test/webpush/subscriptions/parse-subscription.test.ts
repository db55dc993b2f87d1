import assert from 'node:assert/strict';
import { createECDH } from 'node:crypto';
import { describe, it } from 'node:test';
import { InvalidInputError } from '../../../src/errors.ts';
import { parseSubscription } from '../../../src/webpush/subscriptions/parse-subscription.ts';
import { MAX_SUBSCRIPTION_OCTETS } from '../../../src/webpush/subscriptions/subscription-limits.ts';
import {
  AUTH,
  ENDPOINT,
  json,
  P256DH,
  subscriptionJson,
  subscriptionValue,
  type RequestFields,
} from './subscription-fixtures.ts';

const parse = (value: string | Buffer) => parseSubscription(Buffer.from(value));
const parseFields = (fields: RequestFields) => parseSubscription(subscriptionJson(fields));

/** Refused by an error that names the entry and does not repeat what was sent. */
function refuses(value: string | Buffer, entry: RegExp): void {
  assert.throws(
    () => parse(value),
    (error) => {
      assert(error instanceof InvalidInputError, String(error));
      assert.match(error.message, entry);
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /example|1234|BCVx|BTBZ/);
      return true;
    },
  );
}

const refusesFields = (fields: RequestFields, entry: RegExp) =>
  refuses(subscriptionJson(fields), entry);

const point = Buffer.from(P256DH, 'base64url');
const encodings = (octets: Buffer): [name: string, text: string][] => {
  const base64 = octets.toString('base64');
  const base64url = base64.replaceAll('+', '-').replaceAll('/', '_');
  const bare = (text: string) => text.replace(/=+$/, '');
  return [
    ['base64, padded', base64],
    ['base64, bare', bare(base64)],
    ['base64url, padded', base64url],
    ['base64url, bare', bare(base64url)],
  ];
};
/** `length` octets that are a URL. */
const longEndpoint = (length: number) => 'https://p.example/'.padEnd(length, 'x');

describe('"Accepted contents for the data is a JSON-serialized object with the following entries"', () => {
  it("takes a subscription as in the specification's example, blanks and line ends included", () => {
    assert.deepEqual(parse(JSON.stringify(subscriptionValue(), null, 1).replaceAll('\n', '\r\n')), {
      client: 'My awesome WebPush App',
      device: 'My Favorite Smartphone',
      msgtype: 'chat',
      resource: { endpoint: ENDPOINT, keys: { p256dh: P256DH, auth: AUTH } },
    });
  });

  it('takes a subscription without client and device, which nothing depends on', () => {
    assert.deepEqual(Object.keys(parseFields({ client: undefined, device: undefined })), [
      'msgtype',
      'resource',
    ]);
  });

  const missing: [fields: RequestFields, entry: RegExp][] = [
    [{ msgtype: undefined }, /msgtype/],
    [{ endpoint: undefined }, /resource\.endpoint/],
    [{ p256dh: undefined }, /resource\.keys\.p256dh/],
    [{ auth: undefined }, /resource\.keys\.auth/],
  ];
  for (const [fields, entry] of missing) {
    it(`refuses one without ${String(entry)}`, () => refusesFields(fields, entry));
  }

  it('refuses one without resource or keys, or with something else in their place', () => {
    for (const resource of [undefined, null, 'x', 1, true, [], ['x']]) {
      refuses(json({ ...subscriptionValue(), resource }), /: resource must be a JSON object/);
    }
    for (const keys of [undefined, null, 'x', 1, true, [], [AUTH]]) {
      refuses(
        json({ ...subscriptionValue(), resource: { endpoint: ENDPOINT, keys } }),
        /: resource\.keys must be a JSON object/,
      );
    }
  });

  const notObjects = [
    'null',
    'true',
    '1',
    '"x"',
    '[]',
    '[{}]',
    `[${subscriptionJson().toString()}]`,
  ];
  for (const text of notObjects) {
    it(`refuses ${text.slice(0, 20)}`, () => refuses(text, /must be a JSON object/));
  }

  const good = subscriptionJson().toString();
  const notJson = ['', ' ', '\0', 'NIL', '{', '}', "{'client':'x'}", '{"client":"x",}', `${good}}`];
  for (const text of [
    ...notJson,
    good.slice(0, -1),
    `${good}\0`,
    `${good}${good}`,
    'a'.repeat(99),
  ]) {
    it(`refuses ${JSON.stringify(text.slice(-20))} (${text.length}) as JSON`, () =>
      refuses(text, /not valid JSON/));
  }

  it('refuses octets that are not UTF-8', () => {
    for (const octets of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80]]) {
      const value = Buffer.from(good.replace('My awesome', '@@'));
      refuses(
        Buffer.concat([value.subarray(0, 11), Buffer.from(octets), value.subarray(11)]),
        /not UTF-8/,
      );
    }
  });
});

describe('`client` and `device`: "string, max-length is 128 octets"', () => {
  for (const name of ['client', 'device'] as const) {
    const good = ['', 'x'.repeat(128), 'é'.repeat(64), '\u{1f600}'.repeat(32), 'a\0b\n"\\'];
    for (const text of good) {
      it(`takes ${name} ${JSON.stringify(text.slice(0, 8))} of ${Buffer.byteLength(text)} octets`, () =>
        assert.equal(parseFields({ [name]: text })[name], text));
    }
    for (const text of ['x'.repeat(129), 'é'.repeat(64) + 'x', '\u{1f600}'.repeat(32) + 'x']) {
      it(`refuses ${name} of ${Buffer.byteLength(text)} octets`, () =>
        refusesFields({ [name]: text }, new RegExp(`: ${name} is longer than 128 octets`)));
    }
    for (const value of [null, 0, 1, true, false, [], ['x'], {}, { length: 1 }]) {
      it(`refuses ${name} ${JSON.stringify(value)}`, () =>
        refusesFields({ [name]: value }, new RegExp(`: ${name} must be a string`)));
    }
    it(`refuses ${name} with half a surrogate pair, which has no UTF-8`, () =>
      refuses(good_with(name, '\\ud83d'), new RegExp(`: ${name} must be a string`)));
  }

  function good_with(name: string, escaped: string): string {
    return JSON.stringify({ ...subscriptionValue(), [name]: '@' }).replace('"@"', `"${escaped}"`);
  }
});

describe('"RECOMMENDED to treat `msgtype` values case sensitive and to not allow any other values"', () => {
  for (const msgtype of ['chat', 'mail', 'all'] as const) {
    it(`takes ${msgtype}`, () => assert.equal(parseFields({ msgtype }).msgtype, msgtype));
  }
  it("takes the older plugin's any and email under the specification's names", () => {
    assert.equal(parseFields({ msgtype: 'any' }).msgtype, 'all');
    assert.equal(parseFields({ msgtype: 'email' }).msgtype, 'mail');
  });
  const bad = [
    '',
    'Chat',
    'CHAT',
    'Mail',
    'ALL',
    'Any',
    'EMAIL',
    ' chat',
    'chat ',
    'none',
    'chat\0',
  ];
  const names = ['constructor', 'toString', '__proto__', 'has'];
  for (const msgtype of [...bad, ...names, null, 1, true, ['chat'], { chat: 1 }]) {
    it(`refuses ${JSON.stringify(msgtype)}`, () => refusesFields({ msgtype }, /: msgtype must be/));
  }
});

describe('`endpoint`: "the URL for sending push requests (string, max length is 512 octets)"', () => {
  const good = [
    'https://push.example.com/p/1234',
    'https://push.example.com',
    'https://push.example.com:443/push/send/123-123-123-123',
    'HTTPS://push.example.com/',
    'https://push.example.com/wpush/v2/gAAAA%20A?x=y&z=;~!$()*,@:',
    'https://fcm.googleapis.com/fcm/send/dpH5lCsTSSM:APA91bHqjZxM0VImWWqDRN7U0a3AycjUf4O',
    'https://[2606:2800:220:1::1]:8443/x',
    longEndpoint(512),
  ];
  for (const endpoint of good) {
    it(`takes ${endpoint.slice(0, 60)} (${endpoint.length}) as it is`, () =>
      assert.equal(parseFields({ endpoint }).resource.endpoint, endpoint));
  }

  const bad = [
    '',
    ' ',
    '/push',
    '//push.example.com/p',
    'push.example.com/p',
    'https:',
    'https:/',
    'https://',
    'https:///p',
    'https:push.example.com/p',
    'https:/push.example.com/p',
    'https:\\\\push.example.com\\p',
    'https://push.example.com\\@evil.example/',
    ' https://push.example.com/p',
    'https://push.example.com/p ',
    'https://push.example.com/p\n',
    'https://push.exa\tmple.com/p',
    'https://push.example.com/\0',
    'https://push.example.com/é',
    'https://pÜsh.example.com/',
    'https://push.example.com:99999/',
    'https://push.example.com:-1/',
    'https://[::1/',
    'https://exa[mple.com/',
    'https://1.2.3.4.5.256/',
    'https://user@push.example.com/',
    'https://user:password@push.example.com/',
    'https://:@push.example.com/',
    'https://@push.example.com/',
    'https://push.example.com/p#fragment',
    'https://push.example.com#',
    'https://?x',
    'https://:443/',
    'http://push.example.com/p',
    'ftp://push.example.com/p',
    'file:///etc/passwd',
    'data:text/plain,example',
    'javascript:alert(1)',
    'mailto:postmaster@example.com',
    'wss://push.example.com/',
    'unix:/run/example.sock',
  ];
  for (const endpoint of bad) {
    it(`refuses ${JSON.stringify(endpoint)}`, () =>
      refusesFields({ endpoint }, /: resource\.endpoint: it must/));
  }
  for (const endpoint of [longEndpoint(513), longEndpoint(60_000)]) {
    it(`refuses ${endpoint.length} octets`, () =>
      refusesFields({ endpoint }, /: resource\.endpoint: it is longer than 512 octets/));
  }
  for (const endpoint of [null, 1, true, [ENDPOINT], { href: ENDPOINT }]) {
    it(`refuses ${JSON.stringify(endpoint).slice(0, 4)}…`, () =>
      refusesFields({ endpoint }, /: resource\.endpoint must be a string/));
  }

  it('leaves the last word, http included, to the judge, which sees what will be stored', () => {
    const seen: string[] = [];
    const allow = (endpoint: string) => void seen.push(endpoint);
    const endpoint = 'http://push.LAN:8080/x';
    const request = parseSubscription(subscriptionJson({ endpoint }), allow);
    assert.equal(request.resource.endpoint, endpoint);
    assert.deepEqual(seen, [endpoint]);
    assert.throws(
      () => parseSubscription(subscriptionJson(), () => 'it is not for you'),
      new InvalidInputError('subscription: resource.endpoint: it is not for you'),
    );
  });

  it('does not bother the judge with what is no URL', () => {
    const judge = () => assert.fail('asked');
    const value = subscriptionJson({ endpoint: 'ftp://x' });
    assert.throws(() => parseSubscription(value, judge), InvalidInputError);
  });
});

describe('`p256dh`: "the client-generated key … on the P-256 curve … max-length is 256 octets"', () => {
  for (const [name, p256dh] of encodings(point)) {
    it(`takes ${name}, and keeps it as it came`, () =>
      assert.equal(parseFields({ p256dh }).resource.keys.p256dh, p256dh));
  }

  const changed = (index: number, value: number) => {
    const copy = Buffer.from(point);
    copy[index] = value;
    return copy;
  };
  const compressed = createECDH('prime256v1');
  compressed.generateKeys();
  const p384 = createECDH('secp384r1').generateKeys();
  const zero = Buffer.concat([Buffer.of(4), Buffer.alloc(64)]);
  const bad: [name: string, octets: Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['a point off the curve', changed(64, (point[64] ?? 0) ^ 1)],
    ['coordinates past the field', Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)])],
    ['zero', zero],
    ['infinity', Buffer.of(0)],
    ['a compressed point', compressed.getPublicKey(null, 'compressed')],
    ['a hybrid point', compressed.getPublicKey(null, 'hybrid')],
    ['a wrong first octet', changed(0, 5)],
    ['64 octets', point.subarray(0, 64)],
    ['66 octets', Buffer.concat([point, Buffer.alloc(1)])],
    ['a P-384 point', p384],
  ];
  for (const [name, octets] of bad) {
    it(`refuses ${name}`, () =>
      refusesFields({ p256dh: octets.toString('base64url') }, /: resource\.keys\.p256dh /));
  }
  for (const p256dh of [
    `${P256DH} `,
    ` ${P256DH}`,
    `${P256DH}\n`,
    P256DH.replace(/^.{76}/, '$&\n'),
  ]) {
    it('takes white space at the ends, and line breaks as MIME has them', () =>
      assert.equal(parseFields({ p256dh }).resource.keys.p256dh, p256dh));
  }
  for (const p256dh of [`${P256DH}=A`, P256DH.replace(/^.{9}/, '$& '), `*${P256DH}`]) {
    it(`refuses ${JSON.stringify(p256dh.slice(-4))} as base64`, () =>
      refusesFields({ p256dh }, /: resource\.keys\.p256dh must be/));
  }
  it('refuses 257 octets as too long, 256 for what they hold', () => {
    refusesFields({ p256dh: 'B'.repeat(257) }, /p256dh is longer than 256 octets/);
    refusesFields({ p256dh: 'B'.repeat(256) }, /p256dh must be an uncompressed P-256 point/);
  });
  for (const p256dh of [null, 1, [P256DH], { x: 1 }]) {
    it(`refuses ${JSON.stringify(p256dh).slice(0, 4)}`, () =>
      refusesFields({ p256dh }, /: resource\.keys\.p256dh must be a string/));
  }
});

describe('`auth`: "16-octets long client-generated symmetric secret"', () => {
  for (const [name, auth] of encodings(Buffer.from('tBHItJI5svbpez7KI4CCXg==', 'base64'))) {
    it(`takes ${name}, and keeps it as it came`, () =>
      assert.equal(parseFields({ auth }).resource.keys.auth, auth));
  }
  it('takes a line break at the end', () =>
    assert.equal(parseFields({ auth: `${AUTH}\n` }).resource.keys.auth, `${AUTH}\n`));
  for (const length of [0, 1, 15, 17, 32, 4_096]) {
    it(`refuses ${length} octets`, () =>
      refusesFields({ auth: Buffer.alloc(length).toString('base64') }, /: resource\.keys\.auth /));
  }
  for (const auth of [`${AUTH}=`, `${AUTH}===`, AUTH.slice(0, -1) + '*', 'x'.repeat(16)]) {
    it(`refuses ${JSON.stringify(auth.slice(-5))}`, () =>
      refusesFields({ auth }, /: resource\.keys\.auth must be 16 octets/));
  }
  for (const auth of [null, 1, [AUTH], { 0: 1 }]) {
    it(`refuses ${JSON.stringify(auth).slice(0, 4)}`, () =>
      refusesFields({ auth }, /: resource\.keys\.auth must be a string/));
  }
});

describe('"The server SHOULD ignore unknown key value pairs …, meaning they will not be saved"', () => {
  it("drops them at every level, a browser's expirationTime among them", () => {
    const value = {
      surplus: { a: [1] },
      ...subscriptionValue(),
      resource: {
        surplus: 1,
        endpoint: ENDPOINT,
        expirationTime: null,
        keys: { auth: AUTH, p256dh: P256DH, surplus: [] },
      },
      Client: 'upper case is another name',
    };
    assert.deepEqual(parseSubscription(json(value)), parseFields({}));
  });

  it('does not let the client say when it was created, or that it is validated', () => {
    const value = { created: '1999-12-31T23:59:59+00:00', validated: true, ...subscriptionValue() };
    assert.deepEqual(parseSubscription(json(value)), parseFields({}));
  });

  it('takes nothing from "__proto__" and leaves all prototypes alone', () => {
    const good = subscriptionJson().toString();
    const surplus = good.replace('{', '{"__proto__":{"msgtype":"all","polluted":1},');
    const request = parse(surplus);
    assert.deepEqual(request, parseFields({}));
    assert.equal(Object.getPrototypeOf(request), Object.prototype);
    assert.equal('polluted' in {}, false);
    refuses(`{"__proto__":${good}}`, /msgtype/);
    refuses(`{"constructor":{"prototype":${good}}}`, /msgtype/);
  });

  it('takes nothing from a polluted Object.prototype', () => {
    Object.defineProperty(Object.prototype, 'msgtype', { value: 'all', configurable: true });
    try {
      refusesFields({ msgtype: undefined }, /msgtype/);
    } finally {
      delete (Object.prototype as { msgtype?: string }).msgtype;
    }
  });

  it('counts the last of several entries with one name', () => {
    const good = subscriptionJson().toString();
    assert.equal(parse(good.replace('{', '{"msgtype":"bad",')).msgtype, 'chat');
    refuses(good.replace(/}$/, ',"msgtype":"bad"}'), /msgtype/);
  });

  it('withstands deep nesting, in what is dropped and as a whole', () => {
    const depth = 30_000;
    const deep = '['.repeat(depth) + ']'.repeat(depth);
    assert.deepEqual(
      parse(subscriptionJson().toString().replace('{', `{"surplus":${deep},`)),
      parseFields({}),
    );
    refuses(deep, /must be a JSON object/);
    refuses('{"a":'.repeat(10_000), /not valid JSON/);
    refuses('{"resource":'.repeat(5_000) + '1' + '}'.repeat(5_000), /msgtype/);
  });

  it(`takes ${MAX_SUBSCRIPTION_OCTETS} octets and not one more`, () => {
    const good = subscriptionJson();
    const blanks = Buffer.alloc(MAX_SUBSCRIPTION_OCTETS - good.length, ' ');
    assert.deepEqual(parse(Buffer.concat([blanks, good])), parseFields({}));
    refuses(Buffer.concat([blanks, good, Buffer.from(' ')]), /longer than 65536 octets/);
  });
});
