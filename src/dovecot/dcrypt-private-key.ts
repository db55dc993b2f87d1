import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  ECDH,
  type KeyObject,
} from 'node:crypto';

/** Object identifiers as Dovecot writes them, and OpenSSL's names of the curves. */
const CURVES = new Map([
  ['1.2.840.10045.3.1.7', 'prime256v1'],
  ['1.3.132.0.34', 'secp384r1'],
  ['1.3.132.0.35', 'secp521r1'],
]);

/**
 * Reads an EC private key in Dovecot's own format, version 2, not encrypted:
 *
 *     2:<curve's OID>:0:<private value as MPI, hex>:<SHA-256 of the public key, hex>
 *
 * @returns undefined when the text is anything else: damaged, encrypted, or of another kind
 * @see Dovecot src/lib-dcrypt/dcrypt-openssl.c, dcrypt_openssl_load_private_key_dovecot_v2
 */
export function parseDcryptPrivateKey(text: string): KeyObject | undefined {
  const [version, oid = '', encryption, hex = '', id] = text.trim().split(':');
  const curve = CURVES.get(oid);
  if (version !== '2' || encryption !== '0' || curve === undefined) return undefined;
  // OpenSSL's MPI: the length in four octets, then the number, with a zero in front if its first bit is set.
  const mpi = Buffer.from(hex, 'hex');
  if (mpi.length < 5 || mpi.readUInt32BE() !== mpi.length - 4) return undefined;
  try {
    const key = createKey(curve, mpi.subarray(4));
    return keyId(key) === id ? key : undefined;
  } catch {
    return undefined;
  }
}

/** The same key in that format; what Dovecot wrote comes out octet by octet. */
export function formatDcryptPrivateKey(key: KeyObject): string {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const oid = [...CURVES].find(([, name]) => name === curve)?.[0];
  if (oid === undefined) throw new TypeError('not a key on a VAPID curve');
  const padded = Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
  const number = padded.subarray(padded.findIndex((octet) => octet !== 0));
  const sign = Buffer.alloc((number[0] ?? 0) & 0x80 ? 1 : 0);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sign.length + number.length);
  const mpi = Buffer.concat([length, sign, number]).toString('hex');
  return `2:${oid}:0:${mpi}:${keyId(key)}`;
}

function createKey(curve: string, number: Buffer): KeyObject {
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(number);
  const point = ecdh.getPublicKey();
  const octets = (point.length - 1) / 2;
  const digits = ecdh.getPrivateKey();
  const d = Buffer.concat([Buffer.alloc(octets - digits.length), digits]);
  const coordinate = (from: number): string =>
    point.subarray(from, from + octets).toString('base64url');
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: JWK_CURVES[curve] ?? '',
      x: coordinate(1),
      y: coordinate(1 + octets),
      d: d.toString('base64url'),
    },
  });
}

const JWK_CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

/** The hash of the public key as DER (SubjectPublicKeyInfo), its point compressed. */
function keyId(privateKey: KeyObject): string {
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  // SEQUENCE, its length in one or two octets, then the algorithm: a SEQUENCE of less than 128 octets.
  const algorithmAt = spki[1] === 0x81 ? 3 : 2;
  const algorithm = spki.subarray(algorithmAt, algorithmAt + 2 + (spki[algorithmAt + 1] ?? 0));
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([
    Buffer.of(0x04),
    Buffer.from(x, 'base64url'),
    Buffer.from(y, 'base64url'),
  ]);
  const curve = privateKey.asymmetricKeyDetails?.namedCurve ?? '';
  const compressed = ECDH.convertKey(point, curve, undefined, undefined, 'compressed') as Buffer;
  const bits = Buffer.concat([Buffer.of(0x03, compressed.length + 1, 0x00), compressed]);
  const der = Buffer.concat([Buffer.of(0x30, algorithm.length + bits.length), algorithm, bits]);
  return createHash('sha256').update(der).digest('hex');
}
