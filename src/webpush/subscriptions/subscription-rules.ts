import type { EndpointJudge } from './check-endpoint.ts';
import type { RandomBytes } from '../validation/validation-token.ts';

export interface SubscriptionRules {
  /** How many subscriptions a user may have (`webpush.subscription_limit`). */
  limit: number;
  /**
   * Milliseconds that a client has to validate, and before that the push service to take the validation
   * push (`webpush.subscription_expire`).
   */
  expireMsecs: number;
  judgeEndpoint?: EndpointJudge;
  randomBytes?: RandomBytes;
}
