import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';

export const metadata = defineCheck({
  name: 'metadata',
  part: 'metadata',
  title: 'Dovecot keeps annotations where metadata.source says',
  needs: ['configuration', 'dovecot'],
  faults: {
    'imap-off': {
      severity: 'error',
      what: 'imap_metadata is not "yes": clients can set nothing.',
      remedy: 'Copy dovecot-conf/{series}/95-coi-metadata-{source}.conf to conf.d, and reload.',
    },
    'imap-off-for': {
      severity: 'error',
      what: 'imap_metadata is "no" in "{where}": clients from there can set nothing.',
      remedy: 'Take the line out of that block, and reload Dovecot.',
    },
    'no-dict': {
      severity: 'error',
      what: 'Dovecot has no attribute dict ({setting}): annotations are refused.',
      remedy: 'Copy dovecot-conf/{series}/95-coi-metadata-{source}.conf to conf.d, and reload.',
    },
    'second-dict': {
      severity: 'error',
      what: 'mail_attribute has several dicts ({drivers}), of which Dovecot uses none: every GETMETADATA and SETMETADATA is answered NO.',
      remedy:
        'Import what is in the other one (docs/import-export.md, "Moving a site"), take its dict { … } out of mail_attribute, and reload Dovecot.',
    },
    elsewhere: {
      severity: 'error',
      what: 'metadata.source is "dict", but Dovecot’s attribute dict is {theirs}, not {ours}.',
      remedy:
        'Set {setting} to that socket (95-coi-metadata-dict.conf), after importing what is there, or set metadata.source: doveadm.',
    },
    circular: {
      severity: 'error',
      what: 'metadata.source is "doveadm", but Dovecot’s attribute dict is the service’s own socket.',
      remedy: 'Set metadata.source: dict, or give Dovecot a dict of its own.',
    },
    'no-idle': {
      severity: 'warning',
      what: 'Dovecot connects anew for each annotation, which doubles its time.',
      remedy: 'Set idle_msecs=5000 (2.4: idle_timeout = 5 secs), as the snippet does.',
    },
  },
  run: ({ dovecot, config }, report) => {
    const settings = dovecot.settings as DovecotSettings;
    const { series, protocols } = settings;
    const { source } = config.metadata;
    const { attributeDicts: dicts, imapMetadata } = protocols.imap;
    const dict = dicts.at(-1);
    const setting = series === '2.3' ? 'mail_attribute_dict' : 'mail_attribute { dict … }';
    for (const where of settings.server.metadataOffFor) report.fault('imap-off-for', { where });
    if (!imapMetadata) report.fault('imap-off', { series, source });
    if (dict === undefined) {
      report.fault('no-dict', { series, source, setting });
      return;
    }
    if (dicts.length > 1) {
      report.fault('second-dict', { drivers: dicts.map(({ driver }) => driver).join(', ') });
      return;
    }
    const theirs = dict.socket ?? `of the kind "${dict.driver}"`;
    const isOurs = dict.driver === 'proxy' && dict.socket === config.dict.socket;
    if (source === 'dict') {
      if (!isOurs) report.fault('elsewhere', { theirs, ours: config.dict.socket, setting });
      else if (dict.idleMsecs === 0) report.fault('no-idle');
    } else if (isOurs) report.fault('circular');
    report.note(`metadata.source: ${source}`);
  },
});
