import { basename } from 'node:path';
import { readListeners } from '../../../peer/check-peer.ts';
import { runCommand } from '../../demo/run-command.ts';

/** How an MTA hands on mail for users of this host. */
export interface MtaDelivery {
  /** `itself`: it writes to mailboxes; `other`: another program does. Neither has anything to do with Dovecot. */
  readonly by: 'lmtp' | 'lda' | 'itself' | 'other';
  /** What says so: `mailbox_command = /usr/lib/dovecot/dovecot-lda`. */
  readonly setting: string;
  /** Of a program: as whom it is started; undefined: as the user whose mail it is. */
  readonly user: string | undefined;
  readonly group: string | undefined;
}

export interface Mta {
  readonly name: 'Postfix' | 'Exim';
  readonly deliveries: readonly MtaDelivery[];
}

export interface MtaView {
  /** Undefined: there is none here, or none that can be asked. */
  readonly mta: Mta | undefined;
  /** Why it cannot be told what the MTA does; empty where it can, or where there is none. */
  readonly problem: string;
}

/** Asks the MTA of this host how it delivers, as far as its configuration says it in few words. */
export async function findMta(): Promise<MtaView> {
  for (const mta of [await findPostfix(), await findExim()]) {
    if (mta === undefined) continue;
    if (mta.deliveries.length > 0) return { mta, problem: '' };
    return { mta: undefined, problem: `the configuration of ${mta.name} does not say it plainly` };
  }
  const isOther = (await readListeners(SMTP)).length > 0;
  return { mta: undefined, problem: isOther ? 'the MTA is neither Postfix nor Exim' : '' };
}

const SMTP = 25;

const POSTFIX_SETTINGS = [
  ...['virtual_mailbox_domains', 'virtual_transport', 'local_transport', 'mailbox_transport'],
  ...['mailbox_command', 'home_mailbox'],
];

/**
 * Domains that are virtual come first: where there are some, the local ones are for root and cron.
 *
 * @see postconf(5), local(8), pipe(8)
 */
async function findPostfix(): Promise<Mta | undefined> {
  const asked = await ask('postconf', ['-x', ...POSTFIX_SETTINGS]);
  if (asked === undefined) return undefined;
  const services = (await ask('postconf', ['-M'])) ?? '';
  const value = (name: string): string =>
    new RegExp(`^${name} = (.*)$`, 'm').exec(asked)?.[1]?.trim() ?? '';

  const byTransport = (name: string): MtaDelivery | undefined => {
    const setting = `${name} = ${value(name)}`;
    const service = value(name).split(':')[0] ?? '';
    const line = services.split('\n').find((one) => one.startsWith(`${service} `)) ?? '';
    // service type private unpriv chroot wakeup maxproc command…
    const [command = '', ...args] = line.split(/\s+/).slice(7);
    const rest = { setting, user: undefined, group: undefined };
    switch (command) {
      case 'lmtp':
        return { by: 'lmtp', ...rest };
      case 'virtual':
        return { by: 'itself', ...rest };
      case 'local':
        return byLocal();
      case 'pipe': {
        const [user, group] = valueOf(args, 'user').split(':');
        return { by: agentOf(valueOf(args, 'argv')), setting, user, group };
      }
      default:
        return undefined;
    }
  };
  const byLocal = (): MtaDelivery | undefined => {
    if (value('mailbox_transport') !== '') return byTransport('mailbox_transport');
    const command = value('mailbox_command');
    const rest = { user: undefined, group: undefined };
    if (command !== '') {
      return { by: agentOf(command), setting: `mailbox_command = ${command}`, ...rest };
    }
    return { by: 'itself', setting: `home_mailbox = ${value('home_mailbox')}`.trim(), ...rest };
  };

  const virtual =
    value('virtual_mailbox_domains') !== '' ? byTransport('virtual_transport') : undefined;
  const local = byTransport('local_transport');
  const isForSystem = virtual !== undefined && (local?.by === 'itself' || local?.by === 'other');
  const deliveries = [virtual, isForSystem ? undefined : local].filter((one) => one !== undefined);
  return { name: 'Postfix', deliveries };
}

const valueOf = (args: readonly string[], name: string): string =>
  args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';

/** Debian links `deliver` to dovecot-lda. */
const agentOf = (command: string): 'lda' | 'other' =>
  /^(dovecot-lda|deliver)$/.test(basename(command.trim().replace(/^"/, '').split(/[\s"]/)[0] ?? ''))
    ? 'lda'
    : 'other';

/**
 * The transports that routers name, as far as they deliver on this host.
 *
 * @see Exim's specification, chapter 5, "-bP"
 */
async function findExim(): Promise<Mta | undefined> {
  const routers = await ask('exim4', ['-bP', 'routers']);
  if (routers === undefined) return undefined;
  const named = new Set(
    [...routers.matchAll(/^transport = (.+)$/gm)].map(([, name = '']) => name.trim()),
  );
  const transports = ((await ask('exim4', ['-bP', 'transports'])) ?? '').split(
    /^(?=\S+ transport:$)/m,
  );
  const deliveries = transports.flatMap((text): MtaDelivery[] => {
    const name = /^(\S+) transport:$/m.exec(text)?.[1] ?? '';
    const value = (option: string): string =>
      new RegExp(`^${option} = (.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
    if (!named.has(name)) return [];
    const setting = `transport ${name}`;
    const rest = { setting, user: value('user') || undefined, group: value('group') || undefined };
    switch (value('driver')) {
      case 'lmtp':
        return [{ by: 'lmtp', ...rest }];
      case 'smtp':
        return value('protocol') === 'lmtp' ? [{ by: 'lmtp', ...rest }] : [];
      case 'pipe':
        return agentOf(value('command')) === 'lda' ? [{ by: 'lda', ...rest }] : [];
      case 'appendfile':
        // Others are for what users themselves say in .forward.
        return /^(file|directory) = .+$/m.test(text) ? [{ by: 'itself', ...rest }] : [];
      default:
        return [];
    }
  });
  return { name: 'Exim', deliveries };
}

/** @returns undefined when there is no such program, or it does not tell us */
async function ask(program: string, args: readonly string[]): Promise<string | undefined> {
  // Cron's PATH has no sbin.
  for (const file of [program, `/usr/sbin/${program}`]) {
    const { exitCode, stdout, stderr } = await runCommand(file, args);
    if (exitCode === 0) return stdout;
    if (!/ENOENT/.test(stderr)) return undefined;
  }
  return undefined;
}
