import { fork } from 'node:child_process';
import { once } from 'node:events';
import { makeCertificates } from '../support/make-certificates.ts';
import type { TargetOptions } from './push-target.ts';

/** Push services that accept everything, in a process of their own. */
export interface PushTargets {
  /** The authority that signed their certificates. */
  readonly ca: string;
  readonly origins: readonly string[];
  close(): void;
}

export async function startPushTargets(count: number): Promise<PushTargets> {
  const { ca, key, cert } = makeCertificates();
  const child = fork(new URL('./push-target.ts', import.meta.url));
  const options: TargetOptions = { key, cert, count };
  child.send(options);
  const [ports] = (await once(child, 'message')) as [number[]];
  return {
    ca,
    origins: ports.map((port) => `https://127.0.0.1:${port}`),
    close: () => child.disconnect(),
  };
}
