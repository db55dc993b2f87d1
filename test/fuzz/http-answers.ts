import type { Target } from './door.ts';
import { exchange } from './exchange.ts';
import { Finding, findSlip } from './finding.ts';

export interface HttpAnswer {
  status: number;
  text: string;
}

/** One request, of which all but the method and the path may be left out. */
export interface HttpRequest {
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
}

/** The octets of a request, as they go over the wire. */
export function formatRequest({
  path,
  method = 'GET',
  headers = {},
  body = '',
}: HttpRequest): Buffer {
  const octets = Buffer.from(body);
  const lines = Object.entries({
    host: 'localhost',
    ...headers,
    'content-length': octets.length,
  }).map(([name, value]) => `${name}: ${value}`);
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), octets]);
}

/** Sends octets to the HTTP service and judges whatever it answers, if it does. */
export async function exchangeHttp(octets: Buffer, target: Target, what: string): Promise<string> {
  const answer = (await exchange(target.http, octets, what)).toString();
  for (const [, status] of answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)) {
    if (status === '500') throw new Finding('http 500', `${what}: ${answer}`);
  }
  const secret = target.secrets.find((one) => answer.includes(one));
  if (secret !== undefined) {
    throw new Finding('secret in an answer', `${what}: ${answer.replaceAll(secret, '…')}`);
  }
  // What was found is shown to who may see it, and what users wrote may look like anything.
  const slip = /^HTTP\/1\.1 [45]/.test(answer) ? findSlip(answer) : undefined;
  if (slip !== undefined) throw new Finding(`answer: ${slip}`, `${what}: ${answer}`);
  return answer;
}

/** As a client that means well asks, with the answer taken apart. */
export async function ask(
  target: Target,
  request: HttpRequest,
  token = target.adminToken,
): Promise<HttpAnswer> {
  const url = `http://${target.http.host}:${target.http.port}${request.path}`;
  const response = await fetch(url, {
    method: request.method ?? 'GET',
    headers: { authorization: `Bearer ${token}`, ...request.headers },
    ...(request.body !== undefined && { body: request.body as string }),
    signal: AbortSignal.timeout(40_000),
  });
  return { status: response.status, text: await response.text() };
}
