import type { Clock } from '../../clock.ts';
import { ConflictError } from '../../errors.ts';
import type { GuardPolicy } from './guard-policy.ts';

/** The only address that a test receiver can have. */
export const TEST_RECEIVER_HOST = '127.0.0.1';

/** Long enough for one trip of `coi-sidecar doctor`, even over a slow disk. */
export const TEST_RECEIVER_MSECS = 120_000;

/** One an administrator who tests; more at a time is no test. */
const MOST = 8;

/**
 * Ports of this host on which an administrator's test receives pushes at the moment.
 *
 * `coi-sidecar doctor` wants to see a push arrive, and it listens on the loopback interface, where the
 * guard lets nothing through. An administrator should not have to open `allow_private_endpoints` for
 * that, and forget to close it. So the holder of the admin token names one port, above 1023, which is
 * let through until the test ends, and for two minutes at most.
 */
export interface TestReceivers {
  /**
   * @returns when it ends by itself, in milliseconds since the epoch
   * @throws ConflictError too many are at work
   */
  admit(port: number): number;
  /** @returns whether the port was admitted */
  dismiss(port: number): boolean;
  /** The policy, with what is admitted at the moment. */
  extend(policy: GuardPolicy): GuardPolicy;
}

export function createTestReceivers(clock: Clock): TestReceivers {
  /** Port → end, in milliseconds of the monotonic clock. */
  const admitted = new Map<number, number>();
  const isAdmitted = (port: number): boolean => (admitted.get(port) ?? 0) > clock.monotonic();
  const isTestReceiver = (host: string, port: number): boolean =>
    host === TEST_RECEIVER_HOST && isAdmitted(port);

  return {
    admit: (port) => {
      for (const known of admitted.keys()) if (!isAdmitted(known)) admitted.delete(known);
      if (admitted.size >= MOST && !admitted.has(port)) {
        throw new ConflictError(`${MOST} test receivers are at work; end one, or wait two minutes`);
      }
      admitted.set(port, clock.monotonic() + TEST_RECEIVER_MSECS);
      return clock.now() + TEST_RECEIVER_MSECS;
    },
    dismiss: (port) => admitted.delete(port),
    extend: (policy) => ({
      ...policy,
      allowsHost: (host, port) => policy.allowsHost(host, port) || isTestReceiver(host, port),
      isTestReceiver,
    }),
  };
}
