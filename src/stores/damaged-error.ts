import { UnavailableError } from '../errors.ts';

/** What is stored cannot be read for what it is: waiting does not help, a backup may. */
export class DamagedError extends UnavailableError {}
