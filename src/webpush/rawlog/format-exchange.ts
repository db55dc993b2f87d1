import type { Exchange } from '../client/exchange.ts';
import {
  maskAnswerHeader,
  maskAuthorization,
  maskEndpoint,
  maskEndpointParts,
} from '../client/mask-secrets.ts';
import type { JudgedEndpoint } from '../guard/judge-endpoint.ts';

/** A request and its answer as text: headers as they are, bodies as text or base64, secrets masked. */
export function formatExchange(exchange: Exchange): string {
  const { request, response, result } = exchange;
  const lines = [
    `# time: ${new Date(exchange.startedAt).toISOString()}`,
    `# user: ${JSON.stringify(exchange.user)}`,
    `# took: ${exchange.elapsedMsecs.toFixed(1)} ms`,
    "# masked: the endpoint's path, the token's signature, and answer headers that name push resources",
    '',
    `POST ${maskEndpoint(request)} HTTP/1.1`,
    `host: ${request.url.host}`,
    ...Object.entries(request.headers).map(([name, value]) => {
      const shown = name === 'Authorization' ? maskAuthorization(value) : value;
      return `${name}: ${shown}`;
    }),
    `content-length: ${request.body.length}`,
    '',
    ...base64Lines(request.body),
    '',
  ];
  if (result.kind === 'failed') {
    lines.push(`# no answer: ${result.reason}${result.detail ? ` (${result.detail})` : ''}`, '');
    return lines.join('\n');
  }
  lines.push(`HTTP/1.1 ${result.status}`);
  for (const [name, values] of Object.entries(response?.headers ?? {})) {
    for (const value of [values ?? []].flat()) {
      lines.push(`${name}: ${maskAnswerHeader(name, value)}`);
    }
  }
  lines.push('', ...formatAnswer(response?.body ?? Buffer.alloc(0), request), '');
  return lines.join('\n');
}

function formatAnswer(body: Buffer, endpoint: JudgedEndpoint): string[] {
  if (body.length === 0) return [];
  const text = body.toString('utf8');
  const readable = Buffer.from(text).equals(body) && !/[^\P{Cc}\r\n\t]/u.test(text);
  return readable
    ? [maskEndpointParts(text, endpoint)]
    : ['# not text; in base64:', ...base64Lines(body)];
}

const base64Lines = (octets: Buffer): string[] =>
  octets.toString('base64').match(/.{1,76}/g) ?? ['# no body'];
