/** Octets of UTF-8 (webpush-spec, "Subscribe": "max-length is 128 octets"). */
export const MAX_NAME_OCTETS = 128;

/** Octets (webpush-spec, "Subscribe": `endpoint`). */
export const MAX_ENDPOINT_OCTETS = 512;

/** Octets of the encoded key (webpush-spec, "Subscribe": `p256dh`). */
export const MAX_P256DH_OCTETS = 256;

/** Octets of a decoded uncompressed P-256 point: 0x04, X, Y (RFC 8291 section 3.1). */
export const P256_POINT_OCTETS = 65;

/** Octets of the decoded authentication secret (RFC 8291 section 3.2). */
export const AUTH_OCTETS = 16;

/** Octets of a whole value: no more fits into one of Dovecot's request lines. */
export const MAX_SUBSCRIPTION_OCTETS = 65_536;

/** Octets (webpush-spec, "Sending a Validation Push Message": "a maximum size of 1kB"). */
export const MAX_TOKEN_OCTETS = 1_024;
