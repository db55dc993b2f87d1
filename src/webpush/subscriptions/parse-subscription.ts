import { ECDH } from 'node:crypto';
import { InvalidInputError } from '../../errors.ts';
import { checkEndpoint, requireHttps, type EndpointJudge } from './check-endpoint.ts';
import { decodeBase64 } from '../encryption/decode-base64.ts';
import {
  AUTH_OCTETS,
  MAX_NAME_OCTETS,
  MAX_P256DH_OCTETS,
  MAX_SUBSCRIPTION_OCTETS,
  P256_POINT_OCTETS,
} from './subscription-limits.ts';
import type { MessageType, PushResource, Subscription } from './subscription.ts';

/** What a client asks for; `created` and `validated` are the server's to add. */
export type SubscriptionRequest = Omit<Subscription, 'created' | 'validated'>;

/** The specification's values and, for clients of the older plugin, its two others. */
const MESSAGE_TYPES = new Map<unknown, MessageType>([
  ['all', 'all'],
  ['chat', 'chat'],
  ['mail', 'mail'],
  ['any', 'all'],
  ['email', 'mail'],
]);

/**
 * Reads what a client stored as a subscription (webpush-spec, "Subscribe").
 *
 * `msgtype` and `resource` are required: without the one nobody knows what to send, without the other
 * not where to. `client` and `device` may be missing, because the specification does not say that
 * they must be there and nothing but the list uses them; if present they keep their rules. Unknown
 * entries are dropped at every level. Of an entry that is given twice, the last counts.
 *
 * @param value the annotation's octets: UTF-8 JSON
 * @throws InvalidInputError naming the entry and the rule; it never contains what the client sent
 */
export function parseSubscription(
  value: Uint8Array,
  judgeEndpoint: EndpointJudge = requireHttps,
): SubscriptionRequest {
  const entries = asObject(parseJson(value), 'it');
  const client = readName(entries, 'client');
  const device = readName(entries, 'device');
  return {
    ...(client !== undefined && { client }),
    ...(device !== undefined && { device }),
    msgtype: readMessageType(entries),
    resource: readResource(entries, judgeEndpoint),
  };
}

function parseJson(value: Uint8Array): unknown {
  if (value.length > MAX_SUBSCRIPTION_OCTETS) {
    throw invalid(`it is longer than ${MAX_SUBSCRIPTION_OCTETS} octets`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(value);
  } catch {
    throw invalid('it is not UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the input, and with it keys and endpoints.
    throw invalid('it is not valid JSON');
  }
}

function readName(entries: object, name: 'client' | 'device'): string | undefined {
  const value = own(entries, name);
  if (value === undefined) return undefined;
  const text = asString(value, name);
  if (Buffer.byteLength(text) > MAX_NAME_OCTETS) {
    throw invalid(`${name} is longer than ${MAX_NAME_OCTETS} octets`);
  }
  return text;
}

function readMessageType(entries: object): MessageType {
  const type = MESSAGE_TYPES.get(own(entries, 'msgtype'));
  if (type === undefined) throw invalid('msgtype must be "chat", "mail" or "all"');
  return type;
}

function readResource(entries: object, judgeEndpoint: EndpointJudge): PushResource {
  const resource = asObject(own(entries, 'resource'), 'resource');
  const endpoint = asString(own(resource, 'endpoint'), 'resource.endpoint');
  checkEndpoint(endpoint, judgeEndpoint);
  const keys = asObject(own(resource, 'keys'), 'resource.keys');
  const p256dh = asString(own(keys, 'p256dh'), 'resource.keys.p256dh');
  checkP256dh(p256dh);
  const auth = asString(own(keys, 'auth'), 'resource.keys.auth');
  if (decodeBase64(auth)?.length !== AUTH_OCTETS) {
    throw invalid(`resource.keys.auth must be ${AUTH_OCTETS} octets in base64 or base64url`);
  }
  return { endpoint, keys: { p256dh, auth } };
}

function checkP256dh(text: string): void {
  if (text.length > MAX_P256DH_OCTETS) {
    throw invalid(`resource.keys.p256dh is longer than ${MAX_P256DH_OCTETS} octets`);
  }
  const point = decodeBase64(text);
  if (point?.length !== P256_POINT_OCTETS || point[0] !== 0x04) {
    throw invalid(
      `resource.keys.p256dh must be an uncompressed P-256 point (${P256_POINT_OCTETS} octets) in base64 or base64url`,
    );
  }
  try {
    ECDH.convertKey(point, 'prime256v1');
  } catch {
    throw invalid('resource.keys.p256dh is not a point on the P-256 curve');
  }
}

/** Own entries only: `{"__proto__": …}` and what objects inherit are not the client's words. */
const own = (entries: object, name: string): unknown =>
  Object.hasOwn(entries, name) ? (entries as Record<string, unknown>)[name] : undefined;

function asObject(value: unknown, name: string): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${name} must be a JSON object`);
  }
  return value;
}

function asString(value: unknown, name: string): string {
  // A lone surrogate has no UTF-8 form, so it has no length in octets either.
  if (typeof value !== 'string' || !value.isWellFormed()) {
    throw invalid(`${name} must be a string`);
  }
  return value;
}

const invalid = (rule: string): InvalidInputError => new InvalidInputError(`subscription: ${rule}`);
