import { paddedLength } from '../encryption/padded-length.ts';
import { HEADER_OCTETS, MAX_BODY_OCTETS, TAG_OCTETS } from '../encryption/record-limits.ts';
import { shrinkPayload } from './shrink-payload.ts';

/** One way to send a push. */
export interface PushForm {
  payload: string;
  padding: boolean;
  /** The length of the encrypted body. */
  octets: number;
}

/**
 * The largest form of a push that is smaller than a body which the service refused (413). Padding goes
 * first, then the content, then all but the ids; when nothing is small enough, the smallest is tried.
 *
 * @param refusedOctets Infinity when nothing was refused
 */
export function chooseForm(payload: string, padding: boolean, refusedOctets: number): PushForm {
  const form = toForm(payload, padding);
  if (form.octets < refusedOctets && form.octets <= MAX_BODY_OCTETS) return form;
  const smaller = nextForm(form);
  return smaller === undefined ? form : chooseForm(smaller.payload, smaller.padding, refusedOctets);
}

/** The next smaller form; undefined when there is none. */
export function nextForm({ payload, padding, octets }: PushForm): PushForm | undefined {
  const bare = toForm(payload, false);
  if (padding && bare.octets < octets) return bare;
  const shrunk = shrinkPayload(payload);
  return shrunk === undefined ? undefined : toForm(shrunk, false);
}

const toForm = (payload: string, padding: boolean): PushForm => ({
  payload,
  padding,
  octets: HEADER_OCTETS + paddedLength(Buffer.byteLength(payload), padding) + TAG_OCTETS,
});
