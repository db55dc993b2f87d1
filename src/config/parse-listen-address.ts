import { InvalidInputError } from '../errors.ts';

export interface ListenAddress {
  host: string;
  /** 0 lets the system choose. */
  port: number;
}

/** `127.0.0.1:9380`, `[::1]:9380` or `localhost:9380`. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new InvalidInputError(
      `"${text}" is not an address to listen on; write it like "127.0.0.1:9380"`,
    );
  }
  return { host, port };
}
