import { stat } from 'node:fs/promises';
import type { Config } from '../../../config/schema.ts';
import { openDoveadm } from '../../../dovecot/doveadm-client.ts';
import { errorMessage } from '../../../errors.ts';
import type { Identity } from '../act-as.ts';
import { serviceOrigin, serviceUsers } from '../../service-origin.ts';
import { createAskHttp, type AskHttp } from './ask-http.ts';
import { findMta } from './find-mta.ts';
import { findMailUser } from './find-mail-user.ts';
import { identityOf } from './user-database.ts';
import { readDovecot } from './read-dovecot.ts';
import type { Health, MailUser, Setup } from './setup.ts';

/** Looks around once, before the checks; what is not there is for the checks to say. */
export async function gatherSetup({
  config,
  configurationProblem,
  options,
  now,
}: Pick<Setup, 'config' | 'configurationProblem' | 'options' | 'now'>): Promise<
  Setup & AsyncDisposable
> {
  const origin = serviceOrigin(config.http.listen);
  const ask = createAskHttp(serviceUsers(config));
  const doveadm = openDoveadm(config.doveadm);
  const [service, dovecot, doveadmProblem, serviceUser, mta] = await Promise.all([
    readHealth(ask, origin),
    readDovecot(options.dovecotConfig),
    configurationProblem ?? doveadm.check().then(() => undefined, errorMessage),
    findServiceUser(config),
    findMta(),
  ]);
  const findUser = (named?: string): Promise<MailUser> =>
    findMailUser({
      dovecot,
      doveadm: doveadmProblem === undefined ? doveadm : undefined,
      dovecotConfig: options.dovecotConfig,
      named,
    });
  const mailUser = await findUser(options.users[0]);
  return {
    ...{ options, config, configurationProblem, origin, service, dovecot, doveadm, doveadmProblem },
    ...{ mta, mailUser, findUser, serviceUser, ask, now },
    [Symbol.asyncDispose]: () => doveadm.close(),
  };
}

/** Undefined: nobody answers there, or somebody else. */
async function readHealth(ask: AskHttp, origin: string): Promise<Health | undefined> {
  try {
    const { status, text } = await ask(new URL('/healthz', origin));
    const answer = JSON.parse(text) as Partial<Health> & { status?: string };
    if (status !== 200 || answer.status !== 'ok') return undefined;
    // A service older than this command did not say which it is.
    return { version: answer.version ?? 'an older one', started: answer.started ?? '' };
  } catch {
    return undefined;
  }
}

async function findServiceUser({ sieve }: Config): Promise<Identity | undefined> {
  const found = await stat(sieve.socket).catch(() => undefined);
  return found?.isSocket() === true ? identityOf(found.uid) : undefined;
}
