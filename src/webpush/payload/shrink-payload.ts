import { MAX_FOLDER_OCTETS } from './payload.ts';

/** Fields that a push cannot do without: the client fetches the message by them. */
const IDS = ['uid', 'uidvalidity', 'folder'];
const CONTENT = ['content', 'content-type', 'content-encoding'];

/**
 * The next smaller form of a message payload: without its content, then with nothing but the ids.
 * Works on any JSON object and keeps the order of its fields.
 *
 * @returns undefined when there is no smaller one, as for a validation payload
 */
export function shrinkPayload(payload: string): string | undefined {
  const fields = parseObject(payload);
  if (fields === undefined || !fields.some(([name]) => name === 'uid')) return undefined;
  const withoutContent = fields.filter(([name]) => !CONTENT.includes(name));
  const smaller =
    withoutContent.length < fields.length
      ? withoutContent
      : fields.filter(([name]) => IDS.includes(name));
  return smaller.length < fields.length ? JSON.stringify(Object.fromEntries(smaller)) : undefined;
}

/** Whether a message payload is as small as it can be. */
export function hasOnlyIds(payload: string): boolean {
  // The folder's name is the only part without a fixed size.
  if (payload.length > MAX_FOLDER_OCTETS + 100) return false;
  const names = parseObject(payload)?.map(([name]) => name) ?? [];
  return names.includes('uid') && names.every((name) => IDS.includes(name));
}

function parseObject(payload: string): [string, unknown][] | undefined {
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === 'object' && value !== null ? Object.entries(value) : undefined;
  } catch {
    return undefined;
  }
}
