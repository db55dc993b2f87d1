/** A chat message of nobody's to nobody, for a classification. */
export const SAMPLE_CHAT =
  [
    'From: doctor@coi-sidecar.invalid',
    'To: nobody@coi-sidecar.invalid',
    'Subject: coi-sidecar doctor',
    'Message-ID: <chat$doctor@coi-sidecar.invalid>',
    'Chat-Version: 1.0',
    '',
    'coi-sidecar doctor',
  ].join('\r\n') + '\r\n';

/** The same without what makes it chat: nothing has to be known of its recipient. */
export const SAMPLE_MAIL = SAMPLE_CHAT.replace('chat$', '').replace('Chat-Version: 1.0\r\n', '');

/** What `coi.sieve` understands. */
export const isClassification = (answer: string): boolean =>
  /^(keep|flag|file .+|block .+)$/.test(answer);
