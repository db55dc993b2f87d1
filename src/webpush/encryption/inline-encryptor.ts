import { encryptPush } from './encrypt-push.ts';
import type { PushEncryptor } from './push-encryptor.ts';
import { createReceiverKeyCache } from './receiver-keys.ts';

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
