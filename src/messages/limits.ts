/**
 * What is read of a message's header. A message past a limit is no error, and the body still begins
 * where it begins.
 */

/**
 * Octets from the start of the message in which all field lines are noted; real headers stay below
 * 64 KiB. Beyond, only those that decide something are.
 */
export const MAX_HEADER_OCTETS = 262_144;

/** Field lines that are noted, whatever they are called. */
export const MAX_HEADER_FIELDS = 1_000;

/**
 * Octets of a From value in which addresses are looked for, From fields of one message, and addresses
 * in them. RFC 5322 section 3.6.2 allows one field; a COI message has one address. One that goes beyond
 * is told from one that does not, and counts as from a blocked contact for those who block anyone.
 */
export const MAX_FROM_OCTETS = 65_536;
export const MAX_FROM_FIELDS = 16;
export const MAX_SENDERS = 1_000;

/** Octets of one field's value, folding included; the rest of the value is cut off. */
export const MAX_VALUE_OCTETS = 16_384;

/** Message-IDs taken from one References field. */
export const MAX_MESSAGE_IDS = 100;

/**
 * Characters of a From value in which who is to be shown is looked for: the address parser takes
 * quadratic time on hostile ones.
 */
export const MAX_ADDRESS_CHARS = 4_096;

/**
 * Characters of a field that Dovecot's event tells. No reader wants more, and as the beginning of the
 * field it is enough to find the message by.
 */
export const MAX_REPORTED_CHARS = MAX_ADDRESS_CHARS;

/** Addresses taken from one From field. */
export const MAX_MAILBOXES = 16;

/** Characters of a group id, which are ASCII (coi-client-spec, "Group Messages"). */
export const MIN_GROUP_ID_CHARS = 12;

/** Octets of a group id (webpush-spec, "Payload Data Format": "Max-length is 128 octets"). */
export const MAX_GROUP_ID_OCTETS = 128;

/** Octets of a body that may go into a push, which holds less. */
export const MAX_BODY_OCTETS = 4_096;

/**
 * Octets of a message that is fetched whole at once. The bodies of longer ones are hardly ever short,
 * and would be carried through doveadm's JSON for nothing.
 */
export const SHORT_MESSAGE_OCTETS = 16_384;

/** Octets of a message of which anything but a few fields is fetched: its header may be as long. */
export const MAX_MESSAGE_OCTETS = 1_048_576;
