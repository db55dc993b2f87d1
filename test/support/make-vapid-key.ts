import { generateKeyPairSync } from 'node:crypto';
import { toVapidKey } from '../../src/webpush/vapid/vapid-record.ts';
import type { VapidCurve, VapidKey } from '../../src/webpush/vapid/vapid-key.ts';
import { registerPrivateKey } from './secret-watch.ts';

export function makeVapidKey(curve: VapidCurve = 'prime256v1'): VapidKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
  registerPrivateKey(privateKey);
  return toVapidKey(privateKey);
}
