import type { Registry } from 'prom-client';

interface Described {
  name: string;
  help: string;
  type: string;
  labelNames?: string[];
}

/** `docs/metrics.md`: every metric of ours with its type, labels and meaning. */
export function renderMetrics(registry: Registry): string {
  const described = registry.getMetricsAsArray() as unknown as Described[];
  const rows = described
    .filter(({ name }) => name.startsWith('coi_'))
    .map(({ name, type, labelNames = [], help }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
    });
  return `# Metrics

What \`GET /metrics\` shows, besides [Node's own](https://github.com/siimon/prom-client#default-metrics). Written by \`npm run docs\` from \`src/metrics.ts\`. No label ever names a user, a mailbox or a push endpoint.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}
