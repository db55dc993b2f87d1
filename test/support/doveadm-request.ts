import type { PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';

/** One call of doveadm's HTTP API as it goes over the wire; the body is the answer's JSON. */
export async function doveadmRequest(
  dovecot: PrivateDovecot,
  command: string,
  parameters: Record<string, unknown>,
  apiKey = dovecot.doveadm.apiKey,
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(dovecot.doveadm.url, {
    method: 'POST',
    headers: {
      authorization: `X-Dovecot-API ${Buffer.from(apiKey).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify([[command, parameters, 'tag']]),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
}
