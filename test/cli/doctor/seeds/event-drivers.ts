import { join } from 'node:path';
import { startDoctorRig, type DoctorRig, type Examination } from '../../../support/doctor-rig.ts';
import type { Break } from '../seeded-faults.ts';
import { withText } from './change-for-a-while.ts';

/** One of coi.lua's settings, in the words of the version under test. */
export const setting = (
  { stage }: DoctorRig,
  name: string,
  value: string,
): { dovecot: string } => ({
  dovecot:
    stage.dovecot.version === '2.3'
      ? `plugin {\n  ${name} = ${value}\n}`
      : `push_notification coi {\n  lua_settings {\n    ${name} = ${value}\n  }\n}`,
});

export const OX: Examination = { config: { events: { driver: 'ox' } } };

/** Dovecot's "ox" driver in the place of coi.lua. */
export function oxDriver(
  { stage }: DoctorRig,
  { password = stage.dovecot.sidecar.token, userFromMetadata = false } = {},
): Examination {
  const { url } = stage.dovecot.sidecar;
  const there = `${url.replace('//', `//dovecot:${password}@`)}/v1/ox-events`;
  return {
    dovecot:
      stage.dovecot.version === '2.3'
        ? `plugin {\n  push_notification_driver = ox:url=${there}${userFromMetadata ? ' user_from_metadata' : ''}\n}`
        : `push_notification coi {\n  driver = ox\n  ox_url = ${there}\n  ox_user_from_metadata = ${userFromMetadata ? 'yes' : 'no'}\n}`,
  };
}

/** Nothing takes a setting back that was made, so its lines are taken out. */
export const withoutSetting =
  (name: string): Break =>
  ({ stage }, examine) => {
    const { dir, coiDir, configFile } = stage.dovecot.layout;
    const takeOut = withText((text) => text.replaceAll(new RegExp(`^ *${name} = .*$`, 'gm'), ''));
    const snippet = join(dir, '95-coi-events.conf');
    const secret = join(coiDir, 'token.conf');
    return takeOut(configFile, () => takeOut(snippet, () => takeOut(secret, examine)));
  };

/** A Dovecot and a service of their own, both set up for the "ox" driver. */
export const onOxRoad =
  (examination: (rig: DoctorRig) => Examination): Break =>
  async ({ stage }, examine) => {
    const rig = await startDoctorRig({ version: stage.dovecot.version, events: 'ox' });
    return examine(examination(rig), rig).finally(() => rig.close());
  };
