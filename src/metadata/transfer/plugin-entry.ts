import type { Subscription } from '../../webpush/subscriptions/subscription.ts';

/**
 * Where the older C plugin keeps what it knows of WebPush: entries that no client can read, below the
 * GUID of the user's INBOX.
 *
 *     …/pvt/webpush/vapid_private_key      the key, in the format of Dovecot's lib-dcrypt
 *     …/pvt/webpush/subscriptions/<id>     JSON; without "validation" it is in use
 *
 * It is the one form in which a Dovecot dict can hold them, so an export writes it too.
 */
const PLUGIN_PREFIX = 'vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/pvt/webpush/';

const PLUGIN_ENTRY = new RegExp(
  `^priv/[0-9a-f]{32}/${PLUGIN_PREFIX.replaceAll('.', '\\.')}(vapid_private_key|subscriptions/[^/]+)$`,
);

const VAPID = 'vapid_private_key';

/** `vapid_private_key` or `subscriptions/<id>` for such a key, undefined for all others. */
export const pluginEntry = (key: string): string | undefined => PLUGIN_ENTRY.exec(key)?.[1];

export const isPluginVapid = (entry: string): boolean => entry === VAPID;

export const pluginVapidKey = (inbox: string): string => `priv/${inbox}/${PLUGIN_PREFIX}${VAPID}`;

export const pluginSubscriptionKey = (inbox: string, id: string): string =>
  `priv/${inbox}/${PLUGIN_PREFIX}subscriptions/${id}`;

/** The plugin's names of `all` and `mail`. */
const MESSAGE_TYPES = { all: 'any', chat: 'chat', mail: 'email' } as const;

/** A validated subscription as the plugin stores it, with the escapes that Dovecot's JSON writer uses. */
export function formatPluginSubscription(subscription: Subscription): Buffer {
  const { created, client, device, msgtype, resource } = subscription;
  const json = JSON.stringify({
    created,
    // The plugin deletes a subscription that lacks one of the two.
    client: client ?? '',
    device: device ?? '',
    msgtype: MESSAGE_TYPES[msgtype],
    resource: {
      endpoint: resource.endpoint,
      keys: { p256dh: resource.keys.p256dh, auth: resource.keys.auth },
    },
  });
  return Buffer.from(json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029'));
}
