import { Pool } from 'undici';
import type { Config } from '../config/schema.ts';
import { errorMessage, InvalidInputError, SidecarError, UnavailableError } from '../errors.ts';
import { createCheckedConnector } from '../peer/checked-connector.ts';
import { checkUserName } from '../user-name.ts';
import { servicePlace, serviceUsers } from './service-origin.ts';

export interface AdminRequest {
  query?: Readonly<Record<string, string | undefined>>;
  body?: Buffer;
}

/**
 * The admin calls of the service that the same configuration runs, over its unix socket where there is
 * one. Whoever else listens in its place is not sent the token.
 */
export interface AdminClient {
  /**
   * @param path with every name in it percent-encoded: {@link pathOf}
   * @throws SidecarError the service refused, in its own words
   * @throws UnavailableError it is not running, or has no admin calls
   */
  call<Reply>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    request?: AdminRequest,
  ): Promise<Reply>;
  /** The same, for calls that answer octets. */
  fetch(path: string): Promise<Buffer>;
  close(): Promise<void>;
}

/** `['users', 'a/b@example.org', 'throttle']` → `/v1/users/a%2Fb%40example.org/throttle`. */
export const pathOf = (...parts: (string | number)[]): string =>
  ['/v1', ...parts.map((part) => encodeURIComponent(part))].join('/');

/**
 * The same below one user: `/v1/users/anna/throttle`.
 *
 * @throws InvalidInputError it cannot be the name of one user
 */
export const userPathOf = (user: string, ...parts: string[]): string =>
  pathOf('users', checkUserName(user), ...parts);

/** @throws InvalidInputError no http.admin_token is set */
export function createAdminClient(config: Config): AdminClient {
  const { http } = config;
  if (http.admin_token === '') {
    throw new InvalidInputError(
      'http.admin_token is not set: set it in the configuration and restart the service',
    );
  }
  const place = servicePlace(config);
  const { where } = place;
  const pool = new Pool(place.origin, {
    ...{ connections: 8, connect: createCheckedConnector(place, serviceUsers(config)) },
  });

  async function request(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    { query = {}, body }: AdminRequest = {},
  ): Promise<Buffer> {
    const given = Object.entries(query).filter(
      (pair): pair is [string, string] => pair[1] !== undefined,
    );
    const search = given.length > 0 ? `?${new URLSearchParams(given).toString()}` : '';
    let answer;
    try {
      const { statusCode, body: stream } = await pool.request({
        method,
        path: path + search,
        headers: {
          authorization: `Bearer ${http.admin_token}`,
          ...(body && { 'content-type': 'application/octet-stream' }),
        },
        body: body ?? null,
      });
      answer = { statusCode, octets: Buffer.from(await stream.arrayBuffer()) };
    } catch (error) {
      throw new UnavailableError(
        `no service answers at ${where} (${errorMessage(error)}); is coi-sidecar running with this configuration?`,
        { cause: error },
      );
    }
    if (answer.statusCode < 300) return answer.octets;
    throw explain(answer.statusCode, answer.octets, where);
  }

  return {
    call: async <Reply>(...args: Parameters<typeof request>) => {
      const octets = await request(...args);
      return (octets.length > 0 ? JSON.parse(octets.toString()) : undefined) as Reply;
    },
    fetch: (path) => request('GET', path),
    close: () => pool.close(),
  };
}

function explain(status: number, octets: Buffer, where: string): SidecarError {
  if (status === 401) {
    return new UnavailableError(
      `the service at ${where} refused our token: it was started with another http.admin_token`,
    );
  }
  const { error, message } = readError(octets);
  // Ours have a code of ours; that of fastify's own "no such route" is "Not Found".
  if (status === 404 && error !== 'not_found') {
    return new UnavailableError(
      `the service at ${where} has no such call: it was started without http.admin_token, or is of another version`,
    );
  }
  return new SidecarError(error ?? 'internal', message ?? `the service answered ${status}`);
}

function readError(octets: Buffer): { error?: string; message?: string } {
  try {
    return JSON.parse(octets.toString()) as { error?: string; message?: string };
  } catch {
    return {};
  }
}
