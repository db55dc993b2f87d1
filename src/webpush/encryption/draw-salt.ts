import { randomFillSync } from 'node:crypto';

const SALT_OCTETS = 16;

/** Salts are public; drawing many at a time costs as much as drawing one. */
const stock = Buffer.alloc(256 * SALT_OCTETS);
let used = stock.length;

/** A salt that was never used before (RFC 8188 section 2.1). */
export function drawSalt(): Buffer {
  if (used === stock.length) {
    randomFillSync(stock);
    used = 0;
  }
  // A copy: whoever keeps it must not see it change when the stock is filled again.
  const salt = Buffer.from(stock.subarray(used, used + SALT_OCTETS));
  used += SALT_OCTETS;
  return salt;
}
