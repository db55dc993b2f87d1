import { basename } from 'node:path';
import { LUA_SCRIPTS, SHARED_SCRIPT } from '../lua-scripts.ts';
import type { PushDriver } from '../../dovecot/settings/dovecot-settings.ts';
import type { Setup } from './setup/setup.ts';

/** coi.lua, or coi-shared.lua, which brings it in. */
export const runsCoi = ({ driver, file }: PushDriver): boolean =>
  driver === 'lua' && [LUA_SCRIPTS[0], SHARED_SCRIPT].includes(basename(file ?? ''));

/** The "ox" driver whose URL leads to the service; there may be others for Open-Xchange. */
export async function findOx(
  { ask, service }: Setup,
  drivers: readonly PushDriver[],
): Promise<(PushDriver & { url: string }) | undefined> {
  for (const one of drivers) {
    const { driver, url } = one;
    if (driver !== 'ox' || url === undefined || !URL.canParse(url)) continue;
    const answer = await ask(new URL('/healthz', url)).catch(() => undefined);
    if (service !== undefined && answer?.text.includes(service.started)) return { ...one, url };
  }
  return undefined;
}
