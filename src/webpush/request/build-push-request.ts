import { InvalidInputError } from '../../errors.ts';
import type { Urgency } from '../../stores/outbox-store.ts';
import type { JudgedEndpoint } from '../guard/judge-endpoint.ts';

/** A push as it goes over the wire. */
export interface PushRequest extends JudgedEndpoint {
  headers: Record<string, string>;
  body: Buffer;
}

export interface PushRequestParts extends JudgedEndpoint {
  /** The encrypted payload. */
  body: Buffer;
  /** The VAPID header's value. */
  authorization: string;
  /** What is left of the push's life, in seconds; may be fractional or negative. */
  ttlSeconds: number;
  urgency: Urgency;
  topic?: string;
  /** Marks the push as a validation push (webpush-spec, "Sending a Validation Push Message"). */
  validation?: boolean;
}

/** Four weeks: what Chrome's service takes at most; Mozilla's takes longer ones and cuts them itself. */
const MAX_TTL_SECONDS = 4 * 7 * 86_400;

/**
 * RFC 8030 section 5. Headers are a fresh object every time: proxy agents write into it.
 *
 * @throws InvalidInputError the topic is not at most 32 base64url characters (RFC 8030 section 5.4)
 */
export function buildPushRequest(parts: PushRequestParts): PushRequest {
  const ttl = Math.max(0, Math.min(Math.floor(parts.ttlSeconds), MAX_TTL_SECONDS));
  const headers: Record<string, string> = {
    TTL: String(ttl),
    Urgency: parts.urgency,
    'Content-Type': 'application/octet-stream',
    'Content-Encoding': 'aes128gcm',
    Authorization: parts.authorization,
  };
  if (parts.topic !== undefined) {
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(parts.topic)) {
      throw new InvalidInputError('a push topic must be 1 to 32 characters of A-Z a-z 0-9 - _');
    }
    headers['Topic'] = parts.topic;
  }
  if (parts.validation === true) headers['WebPush-Validation'] = '';
  return { url: parts.url, target: parts.target, headers, body: parts.body };
}
