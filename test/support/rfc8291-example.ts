import { createPrivateKey } from 'node:crypto';

/** RFC 8291 section 5 and appendix A. */
export const rfc8291 = {
  plaintext: 'When I grow up, I want to be a watermelon',
  keys: {
    p256dh:
      'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
    auth: 'BTBZMqHH6r4Tts7J_aSIgg',
  },
  receiverPrivate: 'q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94',
  senderPrivate: 'yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw',
  senderPublic:
    'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8',
  salt: 'DGv6ra1nlYgDCS1FRnbzlw',
  body: 'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
};

export const octets = (base64url: string): Buffer => Buffer.from(base64url, 'base64url');

/** A P-256 key as JWK, from its scalar and its uncompressed point. */
export function toJwk(scalar: string, point: string): { [name: string]: string } {
  const raw = octets(point);
  return {
    kty: 'EC',
    crv: 'P-256',
    d: scalar,
    x: raw.subarray(1, 33).toString('base64url'),
    y: raw.subarray(33).toString('base64url'),
  };
}

export const rfc8291Sender = () => ({
  privateKey: createPrivateKey({
    key: toJwk(rfc8291.senderPrivate, rfc8291.senderPublic),
    format: 'jwk',
  }),
  point: octets(rfc8291.senderPublic),
});
