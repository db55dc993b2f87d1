import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errors } from 'undici';
import { classifyFailure } from '../../../src/webpush/client/classify-failure.ts';
import { ProxyError } from '../../../src/webpush/client/proxy-error.ts';
import { GuardError } from '../../../src/webpush/guard/guard-error.ts';
import { ResolveError } from '../../../src/webpush/guard/resolve-host.ts';

const coded = (code: string) => Object.assign(new Error('x'), { code });

describe('classifyFailure', () => {
  for (const [error, reason] of [
    [new GuardError('no'), 'guard'],
    // What c-ares says of its own servers must not be taken for the push service's answer.
    [new ResolveError('no', { cause: coded('ECONNREFUSED') }), 'dns'],
    [new ProxyError('auth', '407'), 'proxy-auth'],
    [new ProxyError('refused', '403'), 'proxy'],
    [new ProxyError('down', 'x', { cause: coded('ECONNREFUSED') }), 'proxy'],
    [coded('ECONNREFUSED'), 'refused'],
    [coded('ECONNRESET'), 'reset'],
    [coded('EPIPE'), 'reset'],
    [new errors.SocketError('other side closed'), 'reset'],
    [new errors.ConnectTimeoutError(), 'timeout'],
    [coded('ETIMEDOUT'), 'timeout'],
    [coded('EHOSTUNREACH'), 'unreachable'],
    [coded('ENETUNREACH'), 'unreachable'],
    [coded('CERT_HAS_EXPIRED'), 'tls'],
    [coded('DEPTH_ZERO_SELF_SIGNED_CERT'), 'tls'],
    [coded('SELF_SIGNED_CERT_IN_CHAIN'), 'tls'],
    [coded('UNABLE_TO_GET_ISSUER_CERT_LOCALLY'), 'tls'],
    [coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls'],
    [coded('ERR_SSL_WRONG_VERSION_NUMBER'), 'tls'],
    [coded('EPROTO'), 'tls'],
    [new errors.HTTPParserError('x'), 'protocol'],
    [new errors.HeadersOverflowError(), 'protocol'],
    [new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]), 'refused'],
    [new AggregateError([]), 'internal'],
    [new TypeError('a bug'), 'internal'],
    [coded('EWHATEVER'), 'internal'],
    [undefined, 'internal'],
    [null, 'internal'],
  ] as const) {
    it(`calls ${error?.name ?? String(error)} ${(error as { code?: string } | null | undefined)?.code ?? ''} ${reason}`, () => {
      assert.equal(classifyFailure(error), reason);
    });
  }
});
