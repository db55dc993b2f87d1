import type { PushResource } from '../subscriptions/subscription.ts';

/** Encrypts pushes, on this thread or on another. */
export interface PushEncryptor {
  /**
   * @param plaintext at most 3993 octets
   * @param padding whether to fill up to the next 1 kB boundary
   * @returns the request body; {@link encryptPush}
   * @throws InvalidInputError the keys are none
   * @throws UnavailableError the thread died; the same may well succeed the next time
   */
  encrypt(plaintext: string, keys: PushResource['keys'], padding: boolean): Promise<Buffer>;

  /** Frees what it holds; nothing may be under way. */
  close(): Promise<void>;
}
