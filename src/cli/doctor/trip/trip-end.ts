import type { Values } from '../check.ts';

/** What a trip can end with; the texts are in checks/trip.ts. */
export type TripFault =
  | 'no-user'
  | 'login-refused'
  | 'capability-missing'
  | 'setting-refused'
  | 'no-folders'
  | 'no-validation'
  | 'not-validated'
  | 'not-delivered'
  | 'not-filed'
  | 'filed-elsewhere'
  | 'vanished'
  | 'no-keyword'
  | 'no-push';

/** The trip cannot go on. */
export class TripEnd extends Error {
  readonly fault: TripFault;
  readonly values: Values;

  constructor(fault: TripFault, values: Values) {
    super(fault);
    this.fault = fault;
    this.values = values;
  }
}
