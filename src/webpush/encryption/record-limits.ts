/**
 * The sizes of one aes128gcm record as a push body (RFC 8188 section 2, RFC 8291 section 4). A push
 * service need not take more than 4096 octets (RFC 8030 section 7.2), so there is only ever one record.
 */
export const MAX_BODY_OCTETS = 4_096;

/** Salt (16), record size (4), length of the key id (1), and the key id: an uncompressed point (65). */
export const HEADER_OCTETS = 86;

export const TAG_OCTETS = 16;

/** What fits between header and tag: plaintext, one delimiter octet, zeros. */
export const MAX_PADDED_OCTETS = MAX_BODY_OCTETS - HEADER_OCTETS - TAG_OCTETS;

/** The longest plaintext (webpush-spec, "Payload Data Format"). */
export const MAX_PLAINTEXT_OCTETS = MAX_PADDED_OCTETS - 1;

/** The step to which `webpush.padding` fills up. */
export const PADDING_STEP_OCTETS = 1_024;
