/** The endpoint's origin, which is no secret; `invalid` when it is not a URL. */
export const originOf = (endpoint: string): string => URL.parse(endpoint)?.origin ?? 'invalid';
