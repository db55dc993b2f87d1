import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { runCommand } from '../src/cli/demo/run-command.ts';
import { startAtZero } from '../src/app/start-at-zero.ts';
import { PROBLEM_NAMES, RULES } from '../src/http/status/judge-health.ts';
import { createMetrics, type Metrics } from '../src/metrics.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROMETHEUS = join(ROOT, 'docker/prometheus');

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; legendFormat: string; refId: string }[];
}
const dashboard = JSON.parse(
  readFileSync(join(ROOT, 'docker/grafana/dashboards/coi-sidecar.json'), 'utf8'),
) as { panels: Panel[]; templating: { list: { query: unknown }[] } };

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}
const { groups } = parse(readFileSync(join(PROMETHEUS, 'alerts.yml'), 'utf8')) as {
  groups: { name: string; rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);

/** Every series that Prometheus gets: ours, Node's, and its own `up`; with the labels of each. */
function knownSeries(): Map<string, ReadonlySet<string>> {
  const series = new Map<string, ReadonlySet<string>>([['up', new Set()]]);
  const all = createMetrics().registry.getMetricsAsArray() as unknown as {
    name: string;
    type: string;
    labelNames?: string[];
  }[];
  for (const { name, type, labelNames = [] } of all) {
    if (type !== 'histogram') series.set(name, new Set(labelNames));
    else {
      series.set(`${name}_bucket`, new Set([...labelNames, 'le']));
      for (const part of ['sum', 'count']) series.set(`${name}_${part}`, new Set(labelNames));
    }
  }
  return series;
}
const series = knownSeries();
const TARGET_LABELS = new Set(['instance', 'job']);

interface Use {
  where: string;
  name: string;
  labels: string[];
  /** What a label is compared with, alternatives of a regular expression taken apart. */
  values: string[];
}

/** The series that an expression selects, with the labels it asks for. */
function usesOf(where: string, expr: string): Use[] {
  const uses: Use[] = [];
  for (const [, name = '', selector = ''] of expr.matchAll(
    /\b((?:coi|nodejs|process)_\w+|up)\b(?:\{([^}]*)\})?/g,
  )) {
    const matchers = [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)];
    uses.push({
      where,
      name,
      labels: matchers.map(([, label = '']) => label),
      values: matchers
        .filter(([, label = '']) => !TARGET_LABELS.has(label))
        .flatMap(([, , value = '']) => value.split('|')),
    });
  }
  return uses;
}

/** Labels that the result of an expression is grouped by. */
const groupingsOf = (expr: string): string[] =>
  [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  );

const panels = dashboard.panels.filter((panel) => panel.targets !== undefined);
const dashboardExpressions = panels.flatMap((panel) =>
  (panel.targets ?? []).map(({ expr }) => ({ where: `panel "${panel.title}"`, expr })),
);
const ruleExpressions = rules.map(({ alert, expr }) => ({ where: `alert ${alert}`, expr }));
const expressions = [...dashboardExpressions, ...ruleExpressions];

describe('dashboard, alert rules and metrics are in step', () => {
  it('no expression asks for a series or a label that does not exist', () => {
    for (const { where, expr } of expressions) {
      const uses = usesOf(where, expr);
      assert.notEqual(uses.length, 0, `${where} uses no series`);
      const present = new Set<string>(TARGET_LABELS);
      for (const { name, labels } of uses) {
        const known = series.get(name);
        assert.ok(known, `${where}: there is no ${name}`);
        for (const label of labels) {
          assert.ok(known.has(label) || TARGET_LABELS.has(label), `${where}: ${name}{${label}}`);
        }
        known.forEach((label) => present.add(label));
      }
      for (const label of groupingsOf(expr)) {
        assert.ok(present.has(label), `${where}: groups by ${label}`);
      }
    }
  });

  it('no expression waits for a label value that the code never writes', () => {
    const code = globSync('src/**/*.ts', { cwd: ROOT })
      .map((file) => readFileSync(join(ROOT, file), 'utf8'))
      .concat(PROBLEM_NAMES.map((name) => `'${name}'`))
      .join('\n');
    for (const { where, expr } of expressions) {
      for (const { values } of usesOf(where, expr)) {
        for (const value of values) {
          assert.ok(code.includes(`'${value}'`), `${where}: nothing is ever called "${value}"`);
        }
      }
    }
  });

  it('legends name labels that the result has', () => {
    for (const { title, targets = [] } of panels) {
      for (const { expr, legendFormat } of targets) {
        const given = groupingsOf(expr);
        const plain = !/\bsum|\bmax|\bhistogram_quantile/.test(expr);
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          const has = given.includes(label) || (plain && TARGET_LABELS.has(label));
          assert.ok(has, `panel "${title}": {{${label}}}`);
        }
      }
    }
  });

  it('every metric of ours is on the dashboard', () => {
    const shown = new Set(
      dashboardExpressions.flatMap(({ where, expr }) =>
        usesOf(where, expr).map(({ name }) => name),
      ),
    );
    /** Those left out, each with its reason. */
    const absent = new Map<string, string>([]);
    const ours = createMetrics()
      .registry.getMetricsAsArray()
      .map(({ name }) => name)
      .filter((name) => name.startsWith('coi_'));
    for (const name of ours) {
      const isShown = [name, `${name}_bucket`, `${name}_count`].some((one) => shown.has(one));
      assert.notEqual(isShown, absent.has(name), name);
    }
    for (const name of absent.keys()) assert.ok(ours.includes(name), name);
  });
});

describe('the dashboard', () => {
  it('answers its four questions in their order', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    assert.deepEqual(rows, [
      'Is chat working?',
      'Is push working?',
      'What is slow?',
      'Who is abusing?',
    ]);
  });

  it('has panels that neither share an id nor lie over each other', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          const cell = `${x},${y}`;
          assert.equal(taken.get(cell), undefined, `${title} over ${taken.get(cell) ?? ''}`);
          taken.set(cell, title);
        }
      }
    }
  });

  it('lets each panel follow the choice of instances', () => {
    for (const { where, expr } of dashboardExpressions) {
      const selectors = [...expr.matchAll(/\{([^}]*)\}/g)].map(([, selector]) => selector);
      assert.ok(selectors.length > 0, where);
      for (const selector of selectors) assert.match(selector!, /instance=~"\$instance"/, where);
    }
  });
});

describe('dashboard and alert rules', () => {
  it('leave out what other programs call by the same names', () => {
    for (const { where, expr } of expressions) {
      for (const [use, , selector = ''] of expr.matchAll(/\b(nodejs|process)_\w+(\{[^}]*\})?/g)) {
        assert.match(selector, /\bjob="coi-sidecar"/, `${where}: ${use}`);
      }
    }
  });
});

describe('the alert rules', () => {
  it('each have a severity, a summary and a description that says what to do', () => {
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    for (const { alert, labels, annotations } of rules) {
      assert.ok(['warning', 'critical'].includes(labels.severity), alert);
      assert.ok(annotations.summary.length > 0 && annotations.description.length > 40, alert);
    }
  });

  it('are there for each problem that the service can judge to be critical, and for no other', () => {
    const asked = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/coi_problem\{problem="(\w+)"/g)].map(([, name]) => name),
    );
    for (const name of PROBLEM_NAMES) {
      if (RULES[name].worst === 'critical') assert.ok(asked.includes(name), name);
    }
    assert.deepEqual(
      asked.filter((name) => !PROBLEM_NAMES.some((one) => one === name)),
      [],
    );
  });

  it('each have a test in which they fire, and one in which they do not', () => {
    const { tests } = parse(readFileSync(join(PROMETHEUS, 'alerts.test.yml'), 'utf8')) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
    };
    const cases = tests.flatMap((one) => one.alert_rule_test);
    for (const { alert } of rules) {
      const ofIt = cases.filter(({ alertname }) => alertname === alert);
      assert.ok(
        ofIt.some(({ exp_alerts }) => exp_alerts.length > 0),
        `${alert} never fires`,
      );
      assert.ok(
        ofIt.some(({ exp_alerts }) => exp_alerts.length === 0),
        `${alert} is never quiet`,
      );
    }
  });
});

/** What Prometheus would get, by series; the counters only. */
async function samplesOf(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.registry.metrics()).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [, name = '', value] = /^(coi_\w+_total(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? [];
      return value === undefined ? [] : [[name, Number(value)] as const];
    }),
  );
}

const { exitCode: promtool } = await runCommand('promtool', ['--version']);
const skip =
  promtool !== 0 && 'no promtool here: as root, run "sh scripts/setup.sh prometheus" on Debian';

describe('promtool', { skip }, () => {
  const check = async (...args: string[]): Promise<void> => {
    const { exitCode, stdout, stderr } = await runCommand('promtool', args);
    assert.equal(exitCode, 0, `${stdout}\n${stderr}`);
  };

  it('accepts the configuration and the rules', async () => {
    await check('check', 'config', join(PROMETHEUS, 'prometheus.yml'));
    await check('check', 'rules', '--lint-fatal', join(PROMETHEUS, 'alerts.yml'));
  });

  it('passes the tests of the rules', async () => {
    await check('test', 'rules', join(PROMETHEUS, 'alerts.test.yml'));
  });

  it('sees what happened for the first time, and all at once', async () => {
    const metrics = createMetrics();
    startAtZero(metrics);
    const before = await samplesOf(metrics);
    metrics.pushes.inc({ kind: 'validation', outcome: 'guard' }, 12);
    metrics.outboxDropped.inc({ reason: 'overflow' }, 12);
    metrics.eventsGivenUp.inc({ reason: 'oversized' }, 3);
    const after = await samplesOf(metrics);
    const series = [...after].map(([name, value]) => ({
      series: name.replace(/\}?$/, `${name.endsWith('}') ? ',' : '{'}instance="mail:9380"}`),
      // What was not there before has no value.
      values: `${before.get(name) ?? '_'}x5 ${value}x20`,
    }));
    const fires = (alert: string, labels = '') => ({
      ...{ expr: `ALERTS{alertname="${alert}",alertstate="firing"}`, eval_time: '8m' },
      exp_samples: [
        {
          labels: `ALERTS{alertname="${alert}",alertstate="firing",severity="warning",instance="mail:9380"${labels}}`,
          value: 1,
        },
      ],
    });
    const promql_expr_test = [
      fires('CoiGuardedPushes'),
      fires('CoiPushesDropped', ',reason="overflow"'),
      fires('CoiEventsGivenUp', ',reason="oversized"'),
    ];
    const test = {
      ...{ rule_files: [join(PROMETHEUS, 'alerts.yml')], evaluation_interval: '1m' },
      tests: [{ interval: '1m', input_series: series, promql_expr_test }],
    };
    const dir = await mkdtemp(join(tmpdir(), 'coi-promtool-'));
    try {
      const file = join(dir, 'first.test.yml');
      await writeFile(file, JSON.stringify(test));
      await check('test', 'rules', file);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('understands every expression of the dashboard', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'coi-promtool-'));
    try {
      // As recording rules, with Grafana's variables filled in; JSON is YAML.
      const recorded = dashboardExpressions.map(({ expr }, index) => ({
        record: `panel_${index}`,
        expr: expr.replaceAll('$instance', '.*').replaceAll(/\$__(rate_interval|range)/g, '5m'),
      }));
      const file = join(dir, 'rules.yml');
      await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: recorded }] }));
      await check('check', 'rules', file);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('accepts the metrics as the service writes them', async () => {
    const text = await createMetrics().registry.metrics();
    const { exitCode, stdout, stderr } = await runCommand('promtool', ['check', 'metrics'], {
      input: text,
    });
    // prom-client's own names break some of promtool's recommendations; ours must not.
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('coi_'));
    assert.deepEqual(complaints, []);
    assert.notEqual(exitCode, 1, stderr);
  });
});
