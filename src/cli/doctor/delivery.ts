import type {
  DovecotSettings,
  ProtocolName,
  SieveSettings,
} from '../../dovecot/settings/dovecot-settings.ts';

/** By which protocol mail comes in first of all: LMTP where it is served, else dovecot-lda. */
export const deliveryProtocol = ({ server }: DovecotSettings): ProtocolName =>
  server.served.has('lmtp') ? 'lmtp' : 'lda';

export const deliverySieve = (settings: DovecotSettings): SieveSettings =>
  settings.protocols[deliveryProtocol(settings)].sieve;

/** Where both are set, Sieve looks for a socket first (sieve-extprograms-common.c). */
export const usesSocket = (settings: DovecotSettings): boolean =>
  deliverySieve(settings).socketDir !== undefined;

export const usesProgram = (settings: DovecotSettings): boolean =>
  deliverySieve(settings).binDir !== undefined && !usesSocket(settings);
