import type { DovecotSettings, SieveSettings } from '../../dovecot/settings/dovecot-settings.ts';
import type { Identity } from './act-as.ts';
import type { MtaDelivery, MtaView } from './setup/find-mta.ts';
import type { MailUser, Setup } from './setup/setup.ts';
import { idOf, primaryGroupOf } from './setup/user-database.ts';

/** A program of Dovecot's by which mail comes in. */
export interface DeliveryAgent {
  readonly protocol: 'lmtp' | 'lda';
  /** For texts: `LMTP`, `dovecot-lda`. */
  readonly name: string;
  /** What the MTA has that says that it uses it; undefined where nobody says so. */
  readonly delivery: MtaDelivery | undefined;
}

const LMTP: DeliveryAgent = { protocol: 'lmtp', name: 'LMTP', delivery: undefined };
const LDA: DeliveryAgent = { protocol: 'lda', name: 'dovecot-lda', delivery: undefined };

/**
 * The ones by which mail may come in: those that the MTA uses, and LMTP wherever it is served. Where the
 * MTA does not tell, it may be any; where there is no MTA, mail comes from elsewhere, by LMTP.
 */
function deliveryAgents(
  { server }: DovecotSettings,
  { mta, problem }: MtaView,
): readonly DeliveryAgent[] {
  const used = (mta?.deliveries ?? []).flatMap((delivery): DeliveryAgent[] => {
    if (delivery.by === 'lmtp') return [{ ...LMTP, delivery }];
    return delivery.by === 'lda' ? [{ ...LDA, delivery }] : [];
  });
  const served = server.served.has('lmtp') ? [LMTP] : [];
  const possible = problem === '' && served.length > 0 ? served : [...served, LDA];
  const all = mta === undefined ? possible : [...used, ...served];
  return all.filter(({ protocol }, i) => all.findIndex((one) => one.protocol === protocol) === i);
}

/** Those of this set-up whose settings are known. */
export const agentsOf = ({ dovecot, mta }: Setup): readonly DeliveryAgent[] =>
  dovecot.settings === undefined ? [] : deliveryAgents(dovecot.settings, mta);

/**
 * Whom the MTA starts an agent as, without further groups: neither local(8) and pipe(8) of Postfix nor
 * Exim's pipe transports give any.
 *
 * @returns undefined when it is root, as LMTP is, and as is taken for granted where no MTA says it
 */
export async function startedAs(
  { delivery, protocol }: DeliveryAgent,
  { identity }: MailUser,
): Promise<Identity | undefined> {
  if (protocol === 'lmtp' || delivery === undefined) return undefined;
  if (delivery.user === undefined) return identity && { ...identity, groups: [] };
  const uid = await idOf('passwd', delivery.user);
  if (uid === undefined || uid === 0) return undefined;
  const gid = await idOf('group', delivery.group ?? '');
  return { uid, gid: gid ?? (await primaryGroupOf(uid)), groups: [] };
}

/** What agents have of Sieve, each once where it is the same. */
export function sievesOf(setup: Setup): SieveSettings[] {
  const { settings } = setup.dovecot;
  const all = agentsOf(setup).flatMap(({ protocol }) => settings?.protocols[protocol].sieve ?? []);
  const texts = all.map((sieve) =>
    JSON.stringify(sieve, (_key, value: unknown) => (value instanceof Set ? [...value] : value)),
  );
  return all.filter((_sieve, i) => texts.indexOf(texts[i] ?? '') === i);
}

/** The one to copy: the guides' own, unless the site has gone the other way. */
export const classifySnippet = (sieve: SieveSettings): string =>
  usesProgram(sieve) ? '95-coi-classify-http.conf' : '95-coi-classify-socket.conf';

/** Where both are set, Sieve looks for a socket first (sieve-extprograms-common.c). */
export const usesSocket = ({ socketDir }: SieveSettings): boolean => socketDir !== undefined;

export const usesProgram = ({ socketDir, binDir }: SieveSettings): boolean =>
  binDir !== undefined && socketDir === undefined;
