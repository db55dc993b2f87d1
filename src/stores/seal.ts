import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { UnavailableError } from '../errors.ts';
import { readKeyFile } from './read-key-file.ts';

/** Closes and opens secrets that go to a store. */
export interface Sealer {
  /**
   * @param context where the secret belongs (user and key): it opens nowhere else. Not stored.
   */
  seal(plaintext: Buffer, context: string): Buffer;

  /**
   * @throws UnavailableError the octets were not sealed with this key and context, or were sealed
   *   and there is no key
   */
  open(sealed: Buffer, context: string): Buffer;
}

/*
 * The first octet says how the rest is to be read:
 *   0x00  plaintext
 *   0x01  nonce (12 octets), AES-256-GCM ciphertext, tag (16); that first octet and the context are
 *         authenticated along
 */
const PLAIN = 0;
const AES_256_GCM = 1;
const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;

/**
 * Without a key file secrets are stored as they are, marked as such: with one given later, the old
 * ones still open, and those written from then on are encrypted.
 *
 * @throws InvalidInputError see {@link readKeyFile}
 */
export function createSealer(keyFile: string | undefined): Sealer {
  const key = keyFile === undefined ? undefined : createSecretKey(readKeyFile(keyFile));
  return {
    seal(plaintext, context) {
      if (key === undefined) return Buffer.concat([Buffer.of(PLAIN), plaintext]);
      const nonce = randomBytes(NONCE_OCTETS);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(associate(context));
      const ciphertext = [cipher.update(plaintext), cipher.final()];
      return Buffer.concat([Buffer.of(AES_256_GCM), nonce, ...ciphertext, cipher.getAuthTag()]);
    },

    open(sealed, context) {
      if (sealed[0] === PLAIN) return Buffer.from(sealed.subarray(1));
      if (sealed[0] !== AES_256_GCM || sealed.length < 1 + NONCE_OCTETS + TAG_OCTETS)
        throw new UnavailableError('A stored secret is damaged, or from a newer coi-sidecar.');
      if (key === undefined)
        throw new UnavailableError(
          'A stored secret is encrypted: set store.key_file to the key that it was sealed with.',
        );
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 1 + NONCE_OCTETS), {
        authTagLength: TAG_OCTETS,
      });
      decipher.setAAD(associate(context));
      decipher.setAuthTag(sealed.subarray(-TAG_OCTETS));
      try {
        const ciphertext = sealed.subarray(1 + NONCE_OCTETS, -TAG_OCTETS);
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
      } catch (error) {
        throw new UnavailableError(
          'A stored secret does not open: store.key_file is not the key that it was sealed with, ' +
            'or the secret was altered or moved.',
          { cause: error },
        );
      }
    },
  };
}

const associate = (context: string): Buffer =>
  Buffer.concat([Buffer.of(AES_256_GCM), Buffer.from(context)]);
