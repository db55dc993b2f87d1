import { encryptPush } from '../../src/webpush/encryption/encrypt-push.ts';
import type { PushEncryptor } from '../../src/webpush/encryption/push-encryptor.ts';
import { createReceiverKeyCache } from '../../src/webpush/encryption/receiver-keys.ts';

/** Encrypts on the thread that asks. */
export function createInlineEncryptor(): PushEncryptor {
  const readKeys = createReceiverKeyCache();
  return {
    encrypt: (plaintext, keys, padding) =>
      new Promise((resolve) => {
        resolve(encryptPush(plaintext, readKeys(keys), { padding }));
      }),
    close: () => Promise.resolve(),
  };
}
