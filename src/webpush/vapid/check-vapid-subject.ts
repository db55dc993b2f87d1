import { InvalidInputError } from '../../errors.ts';

/**
 * Refuses a `vapid_subject` that push services would refuse: RFC 8292 section 2.1 wants a mailto: or
 * https: contact, and Apple answers 403 BadJwtToken to one that cannot be real (localhost, a bare
 * address, blanks). An empty subject is allowed: the claim is left out then.
 *
 * @throws InvalidInputError saying what to write instead
 */
export function checkVapidSubject(subject: string): void {
  if (subject === '') return;
  const refuse = (why: string): never => {
    throw new InvalidInputError(
      `webpush.vapid_subject ${why}; write a contact such as "mailto:postmaster@your-domain.org" or "https://your-domain.org/contact"`,
    );
  };
  if (/[^\x21-\x7e]/.test(subject)) refuse('contains a blank or a character outside ASCII');
  if (/[<>"\\]/.test(subject)) refuse('contains a bracket, a quote or a backslash');
  if (/^mailto:/i.test(subject)) checkHost(mailtoDomain(subject, refuse), refuse);
  else if (/^https:\/\//i.test(subject)) checkHost(httpsHost(subject, refuse), refuse);
  else if (subject.includes('@')) refuse('is a bare address without "mailto:"');
  else refuse('is neither a mailto: nor an https: URL');
}

type Refuse = (why: string) => never;

function mailtoDomain(subject: string, refuse: Refuse): string {
  const match = /^[^@?,:/]+@([^@?,]+)$/.exec(subject.slice('mailto:'.length));
  return match?.[1] ?? refuse('must hold exactly one address after "mailto:" and nothing else');
}

function httpsHost(subject: string, refuse: Refuse): string {
  const url = URL.parse(subject) ?? refuse('is not a valid URL');
  if (url.username !== '' || url.password !== '') refuse('contains user information');
  return url.hostname;
}

/** Names that no mail from outside reaches (RFC 6761, RFC 6762, RFC 8375, RFC 9476). */
const PRIVATE_DOMAIN = /\.(?:local|internal|home\.arpa|invalid|test|alt|onion)$/;

function checkHost(host: string, refuse: Refuse): void {
  const name = host.toLowerCase();
  if (/(?:^|\.)localhost(?:$|\.localdomain$|6?\.)|\.localdomain$/.test(name)) {
    refuse('points to localhost');
  }
  if (PRIVATE_DOMAIN.test(name)) refuse('names a domain that exists in private networks only');
  if (!/^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*[a-z0-9]$/.test(name)) {
    refuse('names no full domain');
  }
}
