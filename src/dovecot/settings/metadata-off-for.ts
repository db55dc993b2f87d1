import type { DoveconfSection } from './parse-doveconf.ts';

const CONDITIONS = ['remote', 'local', 'local_name'];

/**
 * The blocks for some clients only in which imap_metadata is off; `doveconf -f protocol=imap` leaves them
 * out, as it does not know who will come.
 *
 * @returns what they begin with: `remote 10.0.0.0/8`
 */
export function metadataOffFor(section: DoveconfSection, around: readonly string[] = []): string[] {
  return section.sections
    .filter(({ kind, name }) => kind !== 'protocol' || name === 'imap')
    .filter(({ kind }) => kind === 'protocol' || CONDITIONS.includes(kind))
    .flatMap((inner) => {
      const { kind, name, values } = inner;
      const where = CONDITIONS.includes(kind) ? [...around, `${kind} ${name}`] : around;
      const isOff = where.length > 0 && values.get('imap_metadata') === 'no';
      return [...(isOff ? [where.join(', ')] : []), ...metadataOffFor(inner, where)];
    });
}
