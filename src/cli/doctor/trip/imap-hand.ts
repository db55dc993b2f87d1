import { ImapFlow } from 'imapflow';
import { errorMessage } from '../../../errors.ts';
import { AnnotationRefusedError, getAnnotations, setAnnotation } from '../../demo/imap-metadata.ts';
import { TripEnd } from './trip-end.ts';
import { PREFIX, type UserHand } from './user-hand.ts';

export interface ImapAddress {
  host: string;
  port: number;
  tls: boolean;
}

/** @throws TripEnd the user may not come in */
export async function openImapHand(
  { host, port, tls }: ImapAddress,
  user: string,
  password: string,
): Promise<UserHand> {
  const client = new ImapFlow({
    ...{ host, port, secure: tls, logger: false },
    auth: { user, pass: password },
    // The certificate is for the name that clients use, which this is not.
    tls: { rejectUnauthorized: false },
  });
  // It emits what it has thrown already.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    const { responseText } = error as { responseText?: string };
    throw new TripEnd('login-refused', {
      where: `${host} port ${port}`,
      problem: responseText ?? errorMessage(error),
    });
  }
  return {
    by: 'IMAP',
    capability: new Set(client.capabilities.keys()),
    get: async (entry) => {
      try {
        return (await getAnnotations(client, PREFIX + entry)).get(PREFIX + entry) ?? null;
      } catch (error) {
        throw new AnnotationRefusedError(entry, error);
      }
    },
    set: (entry, value) => setAnnotation(client, PREFIX + entry, value),
    close: () => client.logout(),
  };
}
