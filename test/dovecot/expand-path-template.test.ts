import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expandPathTemplate } from '../../src/dovecot/expand-path-template.ts';
import { InvalidInputError } from '../../src/errors.ts';

const expand = (template: string, user: string): Promise<string> =>
  expandPathTemplate(template, user, (name) => Promise.resolve(`/home/of/${name}`));

describe('a path with variables', () => {
  const cases: [template: string, user: string, path: string][] = [
    ['/var/attrs/%u', 'Bob@Example.org', '/var/attrs/Bob@Example.org'],
    ['/var/%d/%n/attrs', 'bob@example.org', '/var/example.org/bob/attrs'],
    ['/var/%Ld/%Ln', 'Bob@Example.org', '/var/example.org/bob'],
    ['%h/dovecot-attributes', 'bob', '/home/of/bob/dovecot-attributes'],
    ['~/dovecot-attributes', 'bob', '/home/of/bob/dovecot-attributes'],
    ['/a/~/b', 'bob', '/a/~/b'],
    ['/var/%{user}/%{user | domain}/%{user|username}', 'b@e', '/var/b@e/e/b'],
    ['%{ home }/x', 'bob', '/home/of/bob/x'],
    ['/100%%/%u', 'bob', '/100%/bob'],
    ['/v/%u', '%h', '/v/%h'],
    ['/v/%n', 'no-domain', '/v/no-domain'],
    ['/v/%d/x', 'no-domain', '/v//x'],
    ['/v/%u', 'a/b@x', '/v/a/b@x'],
  ];
  for (const [template, user, path] of cases) {
    it(`${template} for ${user}`, async () => assert.equal(await expand(template, user), path));
  }

  it('does not ask for a home that it does not need', async () => {
    const never = (): Promise<string> => Promise.reject(new Error('asked'));
    assert.equal(await expandPathTemplate('/a/%%h/%u', 'bob', never), '/a/%h/bob');
  });

  for (const template of ['/v/%x', '/v/%', '/v/%{uid}', '/v/%{user|sha1}', '/v/%Uu']) {
    it(`refuses ${template}`, () =>
      assert.rejects(expand(template, 'bob'), (error: Error) => {
        assert.ok(error instanceof InvalidInputError);
        assert.match(error.message, /unknown variable "%/);
        return true;
      }));
  }

  for (const user of ['../../etc/passwd', '..', 'a/../b', 'a\0b']) {
    it(`refuses the user name ${JSON.stringify(user)}`, () =>
      assert.rejects(expand('/v/%u', user), InvalidInputError));
  }
});
