import { parseContentType } from './parse-content-type.ts';
import type { HeaderBlock } from './parse-header-block.ts';

/**
 * Whether a message is a disposition notification, as read receipts are (RFC 8098 section 3:
 * `multipart/report; report-type=disposition-notification`). Those are never pushed.
 */
export function isDispositionNotification(headers: HeaderBlock): boolean {
  const value = headers.first('content-type');
  // Nearly every message ends here; taking the value apart costs twenty times as much.
  if (value === undefined || !/report/i.test(value)) return false;
  const { type, params } = parseContentType(value);
  return (
    type === 'multipart/report' &&
    params.get('report-type')?.trim().toLowerCase() === 'disposition-notification'
  );
}
