import type { AttemptResult } from '../../../webpush/client/attempt-result.ts';
import type { FailureReason } from '../../../webpush/client/classify-failure.ts';
import { parseProxyUrl, type Proxy } from '../../../webpush/client/parse-proxy-url.ts';
import { createPushClient } from '../../../webpush/client/push-client.ts';
import { readCaFile } from '../../../webpush/client/read-ca-file.ts';
import { parseGuardPolicy } from '../../../webpush/guard/guard-policy.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { knock } from '../probes/knock.ts';
import type { Setup } from '../setup/setup.ts';

/** Push services forgive a token that is some minutes off. */
const CLOCK_TOLERANCE_MSECS = 300_000;

/**
 * Whether pushes get out, by the way that they take: names, guard, proxy, TLS. Nobody is contacted
 * whom the administrator has not named: which push services matter is up to the users' clients, and a
 * doctor that calls the large ones unasked would tell them that this host is there.
 */
export const pushServices = defineCheck({
  name: 'push-services',
  part: 'outside',
  title: 'The push services that were named can be reached',
  needs: ['configuration'],
  faults: {
    name: {
      severity: 'error',
      what: 'the name of {origin} cannot be resolved ({detail}).',
      remedy: 'Check /etc/resolv.conf; behind a proxy only, name it in webpush.proxy_url.',
    },
    connection: {
      severity: 'error',
      what: '{origin} cannot be reached: {detail}.',
      remedy: 'Let this host out to port 443 (firewall), or set webpush.proxy_url.',
    },
    tls: {
      severity: 'error',
      what: 'the certificate of {origin} is not trusted ({detail}).',
      remedy:
        'If it is your own authority’s, name that in webpush.ca_file; else somebody is in between.',
    },
    guard: {
      severity: 'error',
      what: 'the guard lets no push through to {origin}: {detail}.',
      remedy: 'If it is yours, list it in webpush.allow_private_endpoints.',
    },
    proxy: {
      severity: 'error',
      what: 'the proxy {proxy} does not do its work: {detail}.',
      remedy: 'Check webpush.proxy_url, and that the proxy lets this host through to port 443.',
    },
    'proxy-credentials': {
      severity: 'error',
      what: 'the proxy {proxy} refuses our credentials.',
      remedy: 'Check webpush.proxy_username and webpush.proxy_password.',
    },
    clock: {
      severity: 'error',
      what: 'the clock of {origin} differs from ours by {minutes} min: it will refuse our tokens.',
      remedy: 'Set the clock of this host, and keep it right: timedatectl set-ntp true.',
    },
  },
  run: async (setup, report) => {
    const { webpush } = setup.config;
    const proxy = parseProxyUrl({
      url: webpush.proxy_url,
      username: webpush.proxy_username,
      password: webpush.proxy_password,
      trustedUsers: webpush.proxy_trusted_users,
    });
    const origins = setup.options.reach;
    if (origins.length === 0) {
      if (proxy !== undefined) await knockAt(proxy, report);
      report.offer(
        'name push services to be asked: --reach https://updates.push.services.mozilla.com',
      );
      return;
    }
    for (const origin of origins) await reach(origin, proxy, setup, report);
  },
});

type Report = Reporter<keyof typeof pushServices.faults>;

/** A proxy is the administrator's own, so it may be asked. */
async function knockAt(proxy: Proxy, report: Report): Promise<void> {
  const problem = await proxyProblem(proxy);
  if (problem === undefined) report.note(`the proxy ${proxy.origin} is there`);
  else report.fault('proxy', { proxy: proxy.origin, detail: problem });
}

function proxyProblem({ origin, hostname }: Proxy): Promise<string | undefined> {
  const { port, protocol } = new URL(origin);
  return knock(hostname, port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port));
}

async function reach(
  origin: string,
  proxy: Proxy | undefined,
  { config, now }: Setup,
  report: Report,
): Promise<void> {
  const { webpush } = config;
  let theirDate = Number.NaN;
  const client = createPushClient({
    timeoutMsecs: Math.max(webpush.timeout_msecs, 5_000),
    policy: parseGuardPolicy(webpush.allow_private_endpoints),
    proxy,
    ca: await readCaFile(webpush.ca_file),
    onExchange: ({ response }) => {
      theirDate = Date.parse(String(response?.headers['date']));
    },
  });
  try {
    // Any answer will do: an empty POST to no subscription gets an error.
    const url = new URL('/', origin);
    const nothing = { headers: { 'content-length': '0' }, body: Buffer.alloc(0) };
    const request = { url, target: '/', ...nothing };
    const result = await client.send(request, '');
    if (result.kind === 'failed') await explain(result, origin, proxy, report);
    else {
      const differs = Number.isNaN(theirDate) ? 0 : Math.abs(theirDate - now());
      if (differs > CLOCK_TOLERANCE_MSECS) {
        report.fault('clock', { origin, minutes: Math.round(differs / 60_000) });
      } else report.note(`${origin} answers ${result.status}`);
    }
  } finally {
    await client.close();
  }
}

async function explain(
  { reason, detail = reason }: Extract<AttemptResult, { kind: 'failed' }>,
  origin: string,
  proxy: Proxy | undefined,
  report: Report,
): Promise<void> {
  if (proxy !== undefined && reason === 'proxy') {
    const problem =
      detail === 'untrusted_peer'
        ? 'another user has its port on this host: name that in webpush.proxy_trusted_users if it is the proxy'
        : ((await proxyProblem(proxy)) ?? `it opens no way to ${origin}`);
    report.fault('proxy', { proxy: proxy.origin, detail: problem });
    return;
  }
  const faults: Partial<Record<FailureReason, keyof typeof pushServices.faults>> = {
    dns: 'name',
    tls: 'tls',
    guard: 'guard',
    'proxy-auth': 'proxy-credentials',
  };
  report.fault(faults[reason] ?? 'connection', { origin, detail, proxy: proxy?.origin ?? '' });
}
