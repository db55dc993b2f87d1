import { MAX_BODY_OCTETS } from './limits.ts';
import { parseHeaderBlock } from './parse-header-block.ts';

/**
 * A message that passed the classify road has CRLF, whatever Dovecot stores; by default it stores LF.
 * Pushes show the body as it is stored, so that both roads make the same payload. A body that is too
 * long for a push is left as it is.
 */
export function toStoredLineEnds(message: Buffer): Buffer {
  const { bodyStart } = parseHeaderBlock(message);
  const body = message.subarray(bodyStart);
  // Each line end may be one octet shorter.
  if (body.length > 2 * MAX_BODY_OCTETS || !body.includes('\r\n')) return message;
  const stored = Buffer.from(body.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
  return Buffer.concat([message.subarray(0, bodyStart), stored]);
}
