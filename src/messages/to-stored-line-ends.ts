import { WORTHWHILE_OCTETS } from './limits.ts';

/**
 * A message that passed the classify road has CRLF, whatever Dovecot stores; by default it stores LF.
 * Pushes show the message as it is stored, so that both roads make the same payload.
 */
export function toStoredLineEnds(message: Buffer): Buffer {
  if (message.length > WORTHWHILE_OCTETS || !message.includes('\r\n')) return message;
  return Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}
