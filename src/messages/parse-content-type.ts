import libmime from 'libmime';

/** A Content-Type value taken apart (RFC 2045 section 5.1). */
export interface ContentType {
  /** Type and subtype in lower case, as `text/plain`; what else was written, when it was not that. */
  type: string;
  /** By lower-case name; values as they are meant: unquoted, RFC 2231 continuations joined. */
  params: ReadonlyMap<string, string>;
}

/** Takes any text; of a parameter that is given twice the first counts. */
export function parseContentType(value: string): ContentType {
  const parsed = libmime.parseHeaderValue(value, { stripComments: true });
  return {
    // "multipart / report": white space is allowed around the slash
    type: parsed.value.replaceAll(/\s+/g, '').toLowerCase(),
    params: new Map(Object.entries(parsed.params)),
  };
}
