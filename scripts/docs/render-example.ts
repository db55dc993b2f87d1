import { environmentName, leaves, type Leaf } from '../../src/config/schema.ts';

/** Options that an installation has to set itself. */
const REQUIRED = new Set(['http.token', 'doveadm.api_key']);

/** `config.example.yaml`: every option with its meaning and default, ready to be edited. */
export function renderExample(): string {
  const lines = [
    '# coi-sidecar.yaml: every option with its meaning and its default.',
    '#',
    '# Durations are written as in Dovecot: 5 min, 30 secs, 2000 msecs. Booleans are yes and no.',
    `# Each option can be given in the environment instead, which wins: ${environmentName('http.listen')}=….`,
    '# "coi-sidecar check --config FILE" says everything that is wrong with a file.',
  ];
  let current = '';
  for (const [path, leaf] of leaves) {
    const [section = '', key = ''] = path.split('.');
    if (section !== current) lines.push('', `${section}:`);
    current = section;
    const choices = Array.isArray(leaf.format) ? ` One of: ${leaf.format.join(', ')}.` : '';
    lines.push(...wrap(`${leaf.doc}${choices}${REQUIRED.has(path) ? ' Required.' : ''}`));
    lines.push(`  ${key}: ${written(leaf)}`);
  }
  return `${lines.join('\n')}\n`;
}

const WIDTH = 100;

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '  #';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '  #';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function written({ format, default: value }: Leaf): string {
  if (format === 'duration' || format === 'positive-duration')
    return writtenDuration(value as number);
  if (format === 'file-mode') return `"0${(value as number).toString(8)}"`;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' && !/^[a-z0-9]+$/i.test(value)
    ? JSON.stringify(value)
    : Array.isArray(value)
      ? JSON.stringify(value)
      : String(value);
}

function writtenDuration(msecs: number): string {
  const units: readonly (readonly [number, string])[] = [
    [3_600_000, 'hour'],
    [60_000, 'min'],
    [1_000, 'sec'],
    [1, 'msec'],
  ];
  const [size, unit] = units.find(([size]) => msecs % size === 0) ?? [1, 'msec'];
  const count = msecs / size;
  return `${count} ${unit}${count === 1 || unit === 'min' ? '' : 's'}`;
}
