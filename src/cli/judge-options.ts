import { forOption } from '../config/for-option.ts';
import type { Config } from '../config/schema.ts';
import { InvalidInputError } from '../errors.ts';
import { checkSocketPath } from '../socket/check-socket-path.ts';
import { findUnixGroup } from '../socket/find-unix-group.ts';
import { parseStoreUrl } from '../stores/parse-store-url.ts';
import { readKeyFile } from '../stores/read-key-file.ts';
import { parseProxyUrl } from '../webpush/client/parse-proxy-url.ts';
import { readCaFile } from '../webpush/client/read-ca-file.ts';
import { parseGuardPolicy } from '../webpush/guard/guard-policy.ts';
import { checkRawlogDir } from '../webpush/rawlog/rawlog-dir.ts';
import { checkVapidSubject } from '../webpush/vapid/check-vapid-subject.ts';

/**
 * What the parts of the service have against options that the configuration's own rules let pass: why
 * they would refuse to start, one by one, until the configuration is another.
 *
 * @returns one sentence a problem; each names its option
 */
export async function judgeOptions(config: Config): Promise<string[]> {
  const { dict, events, http, metadata, sieve, store, webpush } = config;
  const judgements: (() => unknown)[] = [
    ...judgeSocket('sieve', sieve),
    ...(http.socket === '' ? [] : judgeSocket('http', http)),
    ...(metadata.source === 'dict' ? judgeSocket('dict', dict) : []),
    () => judgeGroup('events', events.group),
    () => forOption('store.url', () => parseStoreUrl(store.url)),
    () => store.key_file !== '' && forOption('store.key_file', () => readKeyFile(store.key_file)),
    () => webpush.vapid_subject !== '' && checkVapidSubject(webpush.vapid_subject),
    () => parseGuardPolicy(webpush.allow_private_endpoints),
    () => checkRawlogDir(webpush.rawlog_dir),
    () =>
      parseProxyUrl({
        url: webpush.proxy_url,
        username: webpush.proxy_username,
        password: webpush.proxy_password,
      }),
    () => readCaFile(webpush.ca_file),
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

const judgeSocket = (
  section: string,
  { socket, group }: { socket: string; group: string },
): (() => unknown)[] => [
  () => forOption(`${section}.socket`, () => checkSocketPath(socket)),
  () => judgeGroup(section, group),
];

const judgeGroup = (section: string, group: string): unknown =>
  group !== '' && forOption(`${section}.group`, () => findUnixGroup(group));
