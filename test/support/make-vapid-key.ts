import { generateKeyPairSync } from 'node:crypto';
import { toVapidKey } from '../../src/webpush/vapid/vapid-record.ts';
import type { VapidCurve, VapidKey } from '../../src/webpush/vapid/vapid-key.ts';

export const makeVapidKey = (curve: VapidCurve = 'prime256v1'): VapidKey =>
  toVapidKey(generateKeyPairSync('ec', { namedCurve: curve }).privateKey);
