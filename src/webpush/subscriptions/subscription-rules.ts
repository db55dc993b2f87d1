import type { EndpointJudge } from './check-endpoint.ts';
import type { RandomBytes } from '../validation/validation-token.ts';

export interface SubscriptionRules {
  /** How many subscriptions a user may have (`webpush.subscription_limit`). */
  limit: number;
  /** Milliseconds from registering until the validation is too late (`webpush.subscription_expire`). */
  expireMsecs: number;
  judgeEndpoint?: EndpointJudge;
  randomBytes?: RandomBytes;
}
