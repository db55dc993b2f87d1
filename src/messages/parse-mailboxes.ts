import { parseAddressHeader } from 'mailparser';
import { cleanText } from './clean-text.ts';
import { decodeHeaderText } from './decode-header-text.ts';
import { MAX_ADDRESS_CHARS, MAX_FROM_OCTETS, MAX_MAILBOXES, MAX_SENDERS } from './limits.ts';
import { scanAddresses } from './scan-addresses.ts';

/** One address of a From value. */
export interface Mailbox {
  /** Decoded and fit to be shown; empty when none is given. */
  name: string;
  /** local@domain in the letter case and encoding that it came in; empty when none is given. */
  address: string;
}

/** The addresses of a From, To or Cc value in their order; members of groups among them. */
export function parseMailboxes(value: string): Mailbox[] {
  const usual = USUAL_MAILBOX.exec(value);
  if (usual !== null) {
    const name = decodeHeaderText(usual[1] ?? usual[2] ?? '');
    return [{ name, address: usual[3] as string }];
  }
  const { value: found } = parseAddressHeader(value.slice(0, MAX_ADDRESS_CHARS), {
    flatten: true,
    decodePunycode: false,
  });
  return found.slice(0, MAX_MAILBOXES).map(({ name, address }) => ({
    name: cleanText(name),
    address: (address ?? '').toWellFormed(),
  }));
}

/**
 * `Alice <alice@example.org>`, `"Alice" <…>`, `=?utf-8?q?Alice?= <…>`: nothing in it that needs a
 * parser, which would give the same at ten times the cost.
 */
const USUAL_MAILBOX = /^(?:"([^"\\\p{Cc}]*)" *|([^"\\\p{Cc}()<>[\]@,;:']*))<([\w.+-]+@[\w.-]+)>$/u;

/**
 * Who a message says it is from. "A COI message MUST only contain one address in the From field";
 * of several the first that has an address counts.
 */
export function findSender(from: string | undefined): Mailbox | undefined {
  if (from === undefined) return undefined;
  const mailboxes = parseMailboxes(from);
  const sender = mailboxes.find(({ address }) => address !== '') ?? mailboxes[0];
  if (from.length <= MAX_ADDRESS_CHARS || (sender !== undefined && sender.address !== '')) {
    return sender;
  }
  const [address] = scanAddresses(from.slice(0, MAX_FROM_OCTETS), MAX_SENDERS) ?? [];
  return address === undefined ? sender : { name: '', address: address.toWellFormed() };
}
