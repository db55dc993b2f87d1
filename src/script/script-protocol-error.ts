import { SidecarError } from '../errors.ts';

/** The peer does not speak the script protocol; its connection has to end without an answer. */
export class ScriptProtocolError extends SidecarError {
  constructor(message: string) {
    super('script_protocol', message);
  }
}
