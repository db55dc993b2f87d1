import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidInputError } from '../../../src/errors.ts';
import { checkVapidSubject } from '../../../src/webpush/vapid/check-vapid-subject.ts';

describe('checkVapidSubject', () => {
  for (const subject of [
    '',
    'mailto:postmaster@example.org',
    'MAILTO:postmaster@example.org',
    'mailto:push+coi@mail.sub.example.co.uk',
    'https://example.org',
    'https://example.org/contact?about=push',
    'https://xn--bcher-kva.example/',
  ]) {
    it(`takes "${subject}"`, () => assert.doesNotThrow(() => checkVapidSubject(subject)));
  }

  for (const [subject, why] of [
    ['postmaster@example.org', /bare address/],
    ['example.org', /neither/],
    ['http://example.org', /neither/],
    ['tel:+4912345', /neither/],
    ['mailto:', /exactly one address/],
    ['mailto:postmaster', /exactly one address/],
    ['mailto:a@example.org,b@example.org', /exactly one address/],
    ['mailto:a@example.org?subject=x', /exactly one address/],
    ['mailto:a@b@example.org', /exactly one address/],
    ['mailto: a@example.org', /blank/],
    ['mailto:a@example.org ', /blank/],
    ['mailto:<a@example.org>', /bracket/],
    ['mailto:jürgen@example.org', /ASCII/],
    ['mailto:admin@localhost', /localhost/],
    ['mailto:admin@mail.localhost', /localhost/],
    ['mailto:admin@localhost.localdomain', /localhost/],
    ['mailto:admin@mail.localdomain', /localhost/],
    ['mailto:mailto:a@example.org', /exactly one address/],
    ['mailto://a@example.org', /exactly one address/],
    ['mailto:/a@example.org', /exactly one address/],
    ['mailto:admin@mail.local', /private networks/],
    ['mailto:admin@mail.internal', /private networks/],
    ['https://mail.home.arpa/', /private networks/],
    ['mailto:admin@example.invalid', /private networks/],
    ['mailto:admin@mailhost', /no full domain/],
    ['mailto:admin@[192.0.2.1]', /no full domain/],
    ['mailto:admin@192.0.2.1', /no full domain/],
    ['mailto:admin@example.', /no full domain/],
    ['https://localhost', /localhost/],
    ['https://localhost:8443/x', /localhost/],
    ['https://127.0.0.1/', /no full domain/],
    ['https://mailhost/', /no full domain/],
    ['https://user:secret@example.org/', /user information/],
    ['https:example.org', /neither/],
    ['https://', /not a valid URL/],
  ] as const) {
    it(`refuses "${subject}"`, () => {
      assert.throws(
        () => checkVapidSubject(subject),
        (error) => error instanceof InvalidInputError && why.test(error.message),
      );
    });
  }
});
