import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ConfigError, readConfig } from '../../src/config/load-config.ts';
import { parseDuration } from '../../src/config/parse-duration.ts';
import { renderExample } from '../../scripts/docs/render-example.ts';
import { leaves } from '../../src/config/schema.ts';

const SECRETS = 'http: { token: 0123456789abcdef }\ndoveadm: { api_key: secret }\n';
const SECRETS_IN_ENVIRONMENT = {
  COI_SIDECAR_HTTP_TOKEN: '0123456789abcdef',
  COI_SIDECAR_DOVEADM_API_KEY: 'secret',
};

function problemsOf(text: string, environment: Record<string, string> = {}): readonly string[] {
  try {
    readConfig(text, environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('durations are written in Dovecot’s syntax', () => {
  const good: [string, number][] = [
    ['5 min', 300_000],
    ['5min', 300_000],
    ['5 mins', 300_000],
    ['5 m', 300_000],
    ['30s', 30_000],
    ['30 secs', 30_000],
    ['1 second', 1_000],
    ['2000 msecs', 2_000],
    ['2000ms', 2_000],
    ['2 millisecs', 2],
    ['1 hour', 3_600_000],
    ['2 DAYS', 172_800_000],
    ['1w', 604_800_000],
    ['0', 0],
  ];
  for (const [text, msecs] of good) {
    it(`${text} is ${msecs} ms`, () => assert.equal(parseDuration(text), msecs));
  }
  for (const text of ['', '5', 'five min', '-1 s', '1.5 s', '5 parsecs', '5 min 3 s', '1e3 s']) {
    it(`"${text}" is refused`, () => assert.throws(() => parseDuration(text), /duration/));
  }
});

describe('the configuration', () => {
  it('has every option once in config.example.yaml, with its meaning and default', () => {
    assert.equal(readFileSync('config.example.yaml', 'utf8'), renderExample());
  });

  it('reads the example as the defaults', () => {
    const example = readFileSync('config.example.yaml', 'utf8');
    assert.deepEqual(
      readConfig(example, SECRETS_IN_ENVIRONMENT),
      readConfig('', SECRETS_IN_ENVIRONMENT),
    );
  });

  it('lets the environment win over the file', () => {
    const config = readConfig(`${SECRETS}webpush: { max_retries: 2, padding: yes }`, {
      COI_SIDECAR_WEBPUSH_MAX_RETRIES: '7',
      COI_SIDECAR_WEBPUSH_ALLOW_PRIVATE_ENDPOINTS: '10.0.0.0/8, ntfy.internal',
    });
    assert.equal(config.webpush.max_retries, 7);
    assert.equal(config.webpush.padding, true);
    assert.deepEqual(config.webpush.allow_private_endpoints, ['10.0.0.0/8', 'ntfy.internal']);
  });

  it('takes a duration of 0 where it means "off"', () => {
    const off =
      'watchdog: { timeout: 0 }\nabuse: { pause: 0 }\ncoi: { contacts_lifetime: 0 }\nwebpush: { cache_lifetime: 0 }\n';
    assert.deepEqual(problemsOf(SECRETS + off), []);
  });

  it('takes every option that it names from the environment', () => {
    for (const [path] of leaves) {
      const name = `COI_SIDECAR_${path.replaceAll('.', '_').toUpperCase()}`;
      const problems = problemsOf(SECRETS, { [name]: '\u0000not a good value' });
      assert.ok(!problems.some((problem) => problem.includes('unknown')), path);
    }
  });

  const bad: [name: string, text: string, problem: RegExp][] = [
    [
      'an unknown key with the nearest known one',
      'webpush: { max_retrys: 1 }',
      /^webpush\.max_retrys: unknown key; did you mean webpush\.max_retries\?$/,
    ],
    ['an unknown section', 'webpusch: {}', /^webpusch: unknown section; did you mean webpush\?$/],
    ['a section that is a text', 'webpush: on', /^webpush: must hold keys/],
    ['keys below an option', 'http:\n  token:\n    secret: x', /^http\.token: must be a value/],
    [
      'keys below an option, some levels',
      'log:\n  level: {a: {b: {c: 1}}}',
      /^log\.level: must be a value/,
    ],
    [
      'a duration without unit',
      'webpush: { subscription_expire: 7 }',
      /^webpush\.subscription_expire: the duration "7" has no unit/,
    ],
    ['a bad boolean', 'webpush: { padding: perhaps }', /^webpush\.padding: "perhaps" is neither/],
    [
      'a value that is none of the choices',
      'webpush: { vapid_curve: p256 }',
      /^webpush\.vapid_curve: .*prime256v1/,
    ],
    ['a negative number', 'webpush: { max_retries: -1 }', /^webpush\.max_retries: "-1"/],
    [
      'no time at all between two looks',
      'spool: { poll_interval: 0 }',
      /^spool\.poll_interval: "0"/,
    ],
    ['no time for a doveadm call', 'doveadm: { timeout: 0 secs }', /^doveadm\.timeout: "0 secs"/],
    ['no time to deliver', 'webpush: { message_ttl: 0 }', /^webpush\.message_ttl: "0"/],
    [
      'no time to validate',
      'webpush: { subscription_expire: 0 min }',
      /^webpush\.subscription_exp/,
    ],
    [
      'more than a timer takes',
      'spool: { poll_interval: 4 weeks }',
      /^spool\.poll_interval: .*24 d/,
    ],
    ['a longer time-out', 'doveadm: { timeout: 25 days }', /^doveadm\.timeout: .*24 days/],
    ['too many msecs', 'webpush: { timeout_msecs: 3000000000 }', /^webpush\.timeout_msecs: .*24/],
    [
      'a lifetime of ages',
      'webpush: { message_ttl: 99999999 weeks }',
      /^webpush\.message_ttl: .*long/,
    ],
    ['a limit of zero', 'webpush: { subscription_limit: 0 }', /^webpush\.subscription_limit: "0"/],
    ['a relative path', 'spool: { dir: spool }', /^spool\.dir: "spool" is not an absolute path/],
    ['a bad mode', 'dict: { mode: 999 }', /^dict\.mode: "999" is not a file mode/],
    ['a bad address', 'http: { listen: 9380 }', /^http\.listen: /],
    ['a bad store', 'store: { url: "mysql://x" }', /^store\.url: must begin with sqlite/],
    ['blocked mail in INBOX', 'coi: { blocked_mailbox: inbox }', /^coi\.blocked_mailbox: must be/],
    ['blocked mail in Chats', 'coi: { blocked_mailbox: COI/Chats }', /must be another mailbox/],
    ['an impatient watchdog', 'watchdog: { timeout: 1 sec }', /^watchdog\.timeout: must be 0, or/],
    ['a bad proxy', 'webpush: { proxy_url: "socks5://x" }', /^webpush\.proxy_url: /],
  ];
  for (const [name, text, problem] of bad) {
    it(`reports ${name}`, () => {
      const problems = problemsOf(text, SECRETS_IN_ENVIRONMENT);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', problem);
    });
  }

  it('reports missing secrets and says how to make them', () => {
    const problems = problemsOf('');
    assert.match(problems[0] ?? '', /^http\.token: missing; make one with "openssl rand -hex 32"/);
    assert.match(problems[1] ?? '', /^doveadm\.api_key: missing/);
  });

  it('reports everything at once', () => {
    const text = 'htp: {}\nwebpush: { padding: 3, max_retries: x, ca_file: y }';
    assert.equal(problemsOf(text, { COI_SIDECAR_NOTHING: '1' }).length, 5);
  });

  it('never shows a secret', () => {
    const problems = problemsOf(
      'http: { token: [hunter2hunter2hunter2] }\ndoveadm: { api_key: 5 }',
    );
    assert.ok(problems.length > 0);
    assert.ok(!problems.join().includes('hunter2'));
  });

  it('reports YAML that cannot be read', () => {
    assert.match(problemsOf('a: [')[0] ?? '', /^not valid YAML/);
    assert.match(problemsOf('- a')[0] ?? '', /must hold sections/);
  });
});
