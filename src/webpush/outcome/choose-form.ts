import { paddedLength } from '../encryption/padded-length.ts';
import { HEADER_OCTETS, MAX_BODY_OCTETS, TAG_OCTETS } from '../encryption/record-limits.ts';
import { shrinkPayload } from './shrink-payload.ts';

/** One way to send a push. */
export interface PushForm {
  payload: string;
  padding: boolean;
  /** The length of the encrypted body. */
  octets: number;
  /** Whether a smaller form follows. */
  canShrink: boolean;
}

/**
 * The largest form of a push that is smaller than a body which the service refused (413). Padding goes
 * first, then the content, then all but the ids; when nothing is small enough, the smallest is tried.
 *
 * @param refusedOctets Infinity when nothing was refused
 */
export function chooseForm(payload: string, padding: boolean, refusedOctets: number): PushForm {
  const octets = bodyLength(payload, padding);
  const smaller = nextForm(payload, padding, octets);
  if (smaller === undefined || (octets < refusedOctets && octets <= MAX_BODY_OCTETS)) {
    return { payload, padding, octets, canShrink: smaller !== undefined };
  }
  return chooseForm(smaller.payload, smaller.padding, refusedOctets);
}

function nextForm(
  payload: string,
  padding: boolean,
  octets: number,
): { payload: string; padding: boolean } | undefined {
  if (padding && bodyLength(payload, false) < octets) return { payload, padding: false };
  const shrunk = shrinkPayload(payload);
  return shrunk === undefined ? undefined : { payload: shrunk, padding: false };
}

const bodyLength = (payload: string, padding: boolean): number =>
  HEADER_OCTETS + paddedLength(Buffer.byteLength(payload), padding) + TAG_OCTETS;
