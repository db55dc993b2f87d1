import { SidecarError } from '../errors.ts';

/** The peer does not speak the dict protocol; its connection has to end. */
export class DictProtocolError extends SidecarError {
  constructor(message: string) {
    super('dict_protocol', message);
  }
}
