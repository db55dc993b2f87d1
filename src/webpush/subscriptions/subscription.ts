/** The messages that a subscription asks for (webpush-spec, "Subscribe": `msgtype`). */
export type MessageType = 'all' | 'chat' | 'mail';

/** Where pushes go and how they are encrypted (RFC 8030 push resource, RFC 8291 keys). */
export interface PushResource {
  /** Absolute URL, at most 512 octets. */
  endpoint: string;
  keys: {
    /** The user agent's public key: an uncompressed P-256 point, base64 or base64url as it came. */
    p256dh: string;
    /** The authentication secret: 16 octets, base64 or base64url as it came. */
    auth: string;
  };
}

/** A subscription as the specification lists it; the field order is the one it is shown in. */
export interface Subscription {
  /** RFC 3339, the time at which the server took the subscription. */
  created: string;
  validated: boolean;
  client?: string;
  device?: string;
  msgtype: MessageType;
  resource: PushResource;
}

/** Whether a subscription for `wanted` is to hear of a message that is, or is not, a chat message. */
export const wantsMessage = (wanted: MessageType, isChat: boolean): boolean =>
  wanted === 'all' || (wanted === 'chat') === isChat;

/** Whether both ask for the same at the same place; when they were stored does not matter. */
export const isSameSubscription = (
  one: Omit<Subscription, 'created' | 'validated'>,
  other: Omit<Subscription, 'created' | 'validated'>,
): boolean =>
  one.client === other.client &&
  one.device === other.device &&
  one.msgtype === other.msgtype &&
  one.resource.endpoint === other.resource.endpoint &&
  one.resource.keys.p256dh === other.resource.keys.p256dh &&
  one.resource.keys.auth === other.resource.keys.auth;
