import js from '@eslint/js';
import regexp from 'eslint-plugin-regexp';
import tseslint from 'typescript-eslint';

/**
 * The floors of the building (see CONTRIBUTING.md): doors → flows → domain → ground.
 * A folder imports from its own floor's ground and from the floors below it, never upwards,
 * and the two domain folders do not know each other. What puts everything together stands outside:
 * nobody imports it but the command line.
 */
const doors = ['http', 'dict', 'script', 'socket', 'cli'];
const flows = ['metadata', 'events'];
const forbid = (folders, message) => ({
  regex: `^(\\.\\.?/)+(src/)?(${folders.join('|')})/`,
  message,
});
const noWhole = {
  regex: '^(\\.\\.?/)+(src/)?(app/|(app|main)\\.ts$)',
  message: 'Parts do not know the whole.',
};
const restrict = (folder, patterns) => ({
  files: [`src/${folder}/**/*.ts`],
  rules: { 'no-restricted-imports': ['error', { patterns: [noWhole, ...patterns] }] },
});
const noServers = {
  regex: '^(fastify|@fastify/.*|node:net|node:http)$',
  message: 'Domain code sees values, not servers.',
};

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    // Nearly all text here was written by others: a regular expression reads it in linear time. A
    // sticky one begins at one place, and whoever moves that place moves it forward.
    files: ['src/**/*.ts', 'web/*.js'],
    plugins: { regexp },
    rules: {
      'regexp/no-super-linear-backtracking': ['error', { report: 'potential' }],
      'regexp/no-super-linear-move': ['error', { report: 'potential', ignoreSticky: true }],
    },
  },
  ...doors.filter((folder) => folder !== 'cli').map((folder) => restrict(folder, [])),
  ...flows.map((folder) => restrict(folder, [forbid(doors, 'Flows do not import doors.')])),
  restrict('coi', [
    forbid([...doors, ...flows], 'The domain imports neither doors nor flows.'),
    forbid(['webpush'], 'coi and webpush do not know each other; a flow asks both.'),
    noServers,
  ]),
  restrict('webpush', [
    forbid([...doors, ...flows], 'The domain imports neither doors nor flows.'),
    forbid(['coi'], 'coi and webpush do not know each other; a flow asks both.'),
    noServers,
  ]),
  ...['messages', 'stores', 'dovecot', 'config', 'peer'].map((folder) =>
    restrict(folder, [
      forbid([...doors, ...flows, 'coi', 'webpush'], 'The ground floor imports nothing above it.'),
    ]),
  ),
  {
    files: ['src/*.ts'],
    ignores: ['src/app.ts', 'src/main.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            noWhole,
            forbid(
              [...doors, ...flows, 'coi', 'webpush'],
              'The ground floor imports nothing above it.',
            ),
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // node:test's describe() and it() return promises that the runner itself awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              name: [
                'test',
                'it',
                'describe',
                'suite',
                'before',
                'after',
                'beforeEach',
                'afterEach',
              ],
              package: 'node:test',
            },
          ],
        },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'CallExpression[callee.object.name=/^(t|test|context)$/][callee.property.name="after"]',
          message:
            'It runs in the order of its calls. Use teardownOf(test) (test/support/create-teardown.ts).',
        },
      ],
    },
  },
  {
    files: ['test/support/create-teardown.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['**/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { console: 'readonly', process: 'readonly' } },
  },
  {
    files: ['web/*.js'],
    languageOptions: {
      // A classic script, as browsers run it.
      sourceType: 'script',
      globals: Object.fromEntries(
        [
          ...['document', 'location', 'fetch', 'URL', 'AbortSignal', 'DOMParser'],
          ...['setTimeout', 'clearTimeout'],
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
);
