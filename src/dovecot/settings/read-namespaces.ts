import type { NamespaceSettings } from './dovecot-settings.ts';
import { sectionsOf, type DoveconfSection } from './parse-doveconf.ts';

/** The namespaces in what `doveconf -a` of Dovecot 2.3 says. */
export function readNamespaces23(root: DoveconfSection): NamespaceSettings[] {
  const usual = root.values.get('mail_location') ?? '';
  return readNamespaces(root, ({ values }) => {
    const [driver = '', ...options] = (values.get('location') || usual).split(':');
    const layout = options.find((option) => option.startsWith('LAYOUT='))?.slice('LAYOUT='.length);
    return separatorOf(driver, layout);
  });
}

/**
 * The namespaces in what `doveconf -a` of Dovecot 2.4 says.
 *
 * @param layout mailbox_list_layout, if it is set for all
 */
export function readNamespaces24(
  root: DoveconfSection,
  layout: string | undefined,
): NamespaceSettings[] {
  return readNamespaces(root, ({ values }) =>
    separatorOf(
      values.get('mail_driver') ?? root.values.get('mail_driver') ?? '',
      values.get('mailbox_list_layout') ?? layout,
    ),
  );
}

function readNamespaces(
  root: DoveconfSection,
  usual: (namespace: DoveconfSection) => string | undefined,
): NamespaceSettings[] {
  const all = sectionsOf(root, 'namespace');
  const none = { kind: 'namespace', name: '', values: new Map([['inbox', 'yes']]), sections: [] };
  return (all.length === 0 ? [none] : all)
    .filter(({ values }) => values.get('disabled') !== 'yes')
    .map((namespace) => ({
      name: namespace.name,
      type: TYPES.find((type) => type === namespace.values.get('type')) ?? 'private',
      prefix: namespace.values.get('prefix') ?? '',
      separator: namespace.values.get('separator') || usual(namespace),
      hasInbox: namespace.values.get('inbox') === 'yes',
      trash: trashOf(namespace),
    }));
}

const TYPES = ['private', 'shared', 'public'] as const;

const trashOf = (namespace: DoveconfSection): string[] =>
  sectionsOf(namespace, 'mailbox')
    .filter(({ values }) => /\\Trash\b/i.test(values.get('special_use') ?? ''))
    .map(
      ({ name, values }) => `${namespace.values.get('prefix') ?? ''}${values.get('name') ?? name}`,
    );

const LAYOUTS: Readonly<Record<string, string>> = { 'maildir++': '.', fs: '/', index: '/' };
const USUAL_LAYOUTS: Readonly<Record<string, string>> = {
  maildir: 'maildir++',
  ...{ mbox: 'fs', dbox: 'fs', sdbox: 'fs', mdbox: 'fs' },
};

/**
 * What separates levels where no setting says it. Without a driver Dovecot looks at what a user has.
 *
 * @see Dovecot src/lib-storage/mail-namespace.c, mail_namespace_get_sep
 */
const separatorOf = (driver: string, layout: string | undefined): string | undefined =>
  LAYOUTS[(layout || USUAL_LAYOUTS[driver])?.toLowerCase() ?? ''];
