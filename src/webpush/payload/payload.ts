/** The JSON object of a message push (webpush-spec, "Payload Data Format"). */
export interface MessagePayload {
  'from-email'?: string;
  'from-name'?: string;
  subject?: string;
  content?: string;
  'content-type'?: string;
  'content-encoding'?: string;
  date?: string;
  'msg-id'?: string;
  'group-id'?: string;
  uid: number;
  uidvalidity: number;
  folder?: string;
}

/**
 * Octets of plaintext that fit one push: 4096 without header (86), padding delimiter (1) and
 * authentication tag (16) (webpush-spec, "Payload Data Format").
 */
export const MAX_PLAINTEXT_OCTETS = 3_993;

/** Octets of the largest payload that holds the ids alone; none can be asked to be smaller. */
export const MIN_PLAINTEXT_OCTETS = '{"uid":4294967295,"uidvalidity":4294967295}'.length;

/**
 * Octets of `from-email`, `from-name`, `subject` and `msg-id` within the quotes of their JSON
 * strings. "At least the first 100 bytes": a character that does not fit them whole is left out, as
 * the C plugin does it, and the ellipsis comes on top.
 */
export const MAX_TEXT_OCTETS = 100;

/** The same of `content-type`, which is sent whole where a cut would make the content unreadable. */
export const MAX_CONTENT_TYPE_OCTETS = 200;

/** Octets of `folder` within the quotes of its JSON string. */
export const MAX_FOLDER_OCTETS = 200;
