// Writes the files that are made from the code: npm run docs. Tests hold them against it.
import { writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { checks } from '../src/cli/doctor/checks.ts';
import { createMetrics } from '../src/metrics.ts';
import { renderDoctor } from './docs/render-doctor.ts';
import { renderExample } from './docs/render-example.ts';
import { renderMetrics } from './docs/render-metrics.ts';

writeFileSync('config.example.yaml', renderExample());
writeFileSync(
  'docs/metrics.md',
  await format(renderMetrics(createMetrics().registry), { parser: 'markdown' }),
);
writeFileSync('docs/doctor.md', await format(renderDoctor(checks), { parser: 'markdown' }));
