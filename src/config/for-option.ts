import { errorMessage, InvalidInputError, UnavailableError } from '../errors.ts';

/**
 * Does what an option asks for; an error of it begins with the option's name, so that an
 * administrator knows where to look.
 *
 * @throws InvalidInputError only another value helps
 * @throws UnavailableError anything else: time may help, or somebody at the machine
 */
export async function forOption<T>(option: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const Kind = error instanceof InvalidInputError ? InvalidInputError : UnavailableError;
    throw new Kind(`${option}: ${errorMessage(error)}`, { cause: error });
  }
}
