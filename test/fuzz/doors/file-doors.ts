import { readFileSync } from 'node:fs';
import { judgeOptions } from '../../../src/cli/judge-options.ts';
import { ConfigError, readConfig } from '../../../src/config/load-config.ts';
import { leaves } from '../../../src/config/schema.ts';
import type { Chance } from '../chance.ts';
import { INBOX_GUID, USERS, type Door } from '../door.ts';
import { Finding, findSlip } from '../finding.ts';
import { exchangeHttp, formatRequest } from '../http-answers.ts';
import { AUTH, P256DH } from '../../webpush/subscriptions/subscription-fixtures.ts';
import { escapeField } from './dict-doors.ts';

const EXAMPLE = readFileSync(new URL('../../../config.example.yaml', import.meta.url));
/** A configuration is read at the start; nobody waits for it longer. */
const CONFIG_MSECS = 10_000;

function makeConfig(chance: Chance): Buffer {
  if (chance.oneIn(3)) return chance.mutate(EXAMPLE);
  const lines = chance.some(6, () => {
    const [section = '', key = ''] = chance.pick(leaves)[0].split('.');
    const value = chance.pick([
      () => JSON.stringify(chance.json(2)),
      () => chance.text(),
      () => `${chance.number()} ${chance.pick(['s', 'min', 'h', 'days', ''])}`,
      () =>
        chance.pick(['&a [*a]', '!!js/function x', '|\n  x', '{{{', '"\\x"', '2001-01-01', '.nan']),
    ])();
    return `${section}:\n  ${key}: ${value}`;
  });
  return Buffer.from(lines.join('\n'));
}

/** Configuration files: read, or refused with a reason. In this process, as `check` reads them. */
const configDoor: Door = {
  name: 'configuration files',
  lanes: 1,
  local: true,
  pauseMsecs: 200,
  make: makeConfig,
  deliver: async (octets) => {
    const started = performance.now();
    try {
      await judgeOptions(readConfig(octets.toString()));
    } catch (error) {
      if (!(error instanceof ConfigError)) {
        throw new Finding(
          'configuration: unexpected error',
          (error as Error).stack ?? String(error),
        );
      }
      const slip = error.problems.map(findSlip).find((one) => one !== undefined);
      if (slip !== undefined) throw new Finding(`configuration: ${slip}`, error.message);
    }
    const took = performance.now() - started;
    if (took > CONFIG_MSECS) throw new Finding('configuration: slow', `${took.toFixed(0)} ms`);
  },
};

function makeDict(chance: Chance): Buffer {
  const server = `priv/${INBOX_GUID}/vendor/vendor.dovecot/pvt/server`;
  const subscription = {
    ...{
      client: 'c',
      device: 'd',
      msgtype: 'all',
      created: chance.pick(['2024-01-01T00:00:00Z', chance.text()]),
    },
    validated: chance.oneIn(2),
    resource: { endpoint: 'https://push.invalid/x', keys: { p256dh: P256DH, auth: AUTH } },
  };
  const pairs = chance.some(12, () => [
    chance.pick([
      `${server}/vendor/vendor.dovecot/coi/config/enabled`,
      `${server}/vendor/vendor.dovecot/webpush/subscriptions/${escapeField(chance.text(20))}`,
      `${server}/vendor/vendor.dovecot/webpush/vapid`,
      `priv/${INBOX_GUID}/${escapeField(chance.text())}`,
      `shared/${INBOX_GUID}/comment`,
      escapeField(chance.text()),
    ]),
    chance.pick([
      'yes',
      escapeField(
        JSON.stringify(
          chance.oneIn(2) ? subscription : chance.distort(subscription),
        ).toWellFormed(),
      ),
      escapeField(chance.text()),
      escapeField(`-----BEGIN PRIVATE KEY-----\n${chance.text()}\n-----END PRIVATE KEY-----\n`),
    ]),
  ]);
  const octets = Buffer.from(
    pairs
      .flat()
      .map((line) => `${line}\n`)
      .join(''),
  );
  return chance.oneIn(4) ? chance.mutate(octets) : octets;
}

/** Files of Dovecot's `file:` dict, as `import` takes them in. */
const importDoor: Door = {
  name: 'import files',
  lanes: 1,
  make: (chance) => {
    const query = chance.pick(['', '?dry-run=true', '?overwrite=true', '?overwrite=x']);
    const user = encodeURIComponent(chance.pick(USERS).toWellFormed());
    return Buffer.concat([
      Buffer.from(`/v1/users/${user}/annotations${query}\n`),
      makeDict(chance),
    ]);
  },
  deliver: async (octets, target) => {
    const end = octets.indexOf('\n');
    const request = formatRequest({
      path: octets.toString('latin1', 0, end),
      method: 'POST',
      headers: {
        authorization: `Bearer ${target.adminToken}`,
        'content-type': 'application/octet-stream',
      },
      body: octets.subarray(end + 1),
    });
    await exchangeHttp(request, target, 'an import');
  },
};

export const FILE_DOORS = [configDoor, importDoor];
