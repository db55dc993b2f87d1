import { folderNames } from '../coi/folders.ts';
import type { Config } from '../config/schema.ts';
import { InvalidInputError } from '../errors.ts';
import { parseProxyUrl } from '../webpush/client/parse-proxy-url.ts';
import { parseGuardPolicy } from '../webpush/guard/guard-policy.ts';
import { checkRawlogDir } from '../webpush/rawlog/rawlog-dir.ts';
import { checkVapidSubject } from '../webpush/vapid/check-vapid-subject.ts';

/**
 * What the parts of the service have against options that the configuration's own rules let pass: what
 * `serve` would refuse one by one at its start (src/app/build-domain.ts).
 */
export async function judgeOptions({ coi, webpush }: Config): Promise<string[]> {
  const judgements: (() => unknown)[] = [
    () => webpush.vapid_subject !== '' && checkVapidSubject(webpush.vapid_subject),
    () => parseGuardPolicy(webpush.allow_private_endpoints),
    () => folderNames(coi.mailbox_root, coi.mailbox_separator),
    () => checkRawlogDir(webpush.rawlog_dir),
    () =>
      parseProxyUrl({
        url: webpush.proxy_url,
        username: webpush.proxy_username,
        password: webpush.proxy_password,
      }),
  ];
  const problems: string[] = [];
  for (const judge of judgements) {
    try {
      await judge();
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      problems.push(error.message);
    }
  }
  return problems;
}
