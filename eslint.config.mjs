import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import temporal from 'eslint-plugin-temporal';
import tseslint from 'typescript-eslint';

const clocks = [
  { object: 'Date', property: 'now', message: 'Time is an argument here.' },
  { object: 'Math', property: 'random', message: 'Seeded randomness is an argument here.' },
];
const environment = [
  {
    object: 'process',
    property: 'env',
    message: 'Only src/config.ts reads the environment: it is a key of umbra.yaml.',
  },
];

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'node_modules', 'test/fixtures', 'test/histories'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ['src/**'],
    ignores: ['src/config.ts'],
    rules: {
      'no-restricted-properties': ['error', ...environment],
      'no-restricted-imports': ['error', { paths: [{ name: 'node:process' }, { name: 'process' }] }],
    },
  },
  {
    files: ['src/**'],
    ignores: ['src/background/**', 'src/sim/**', 'src/web/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        { name: 'setInterval', message: 'startLoop of src/background/loop.ts repeats, is woken and ends.' },
      ],
    },
  },
  {
    files: ['src/domain/**', 'src/planning/**'],
    rules: {
      'no-restricted-properties': ['error', ...clocks, ...environment],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Time is an argument here.' },
      ],
      'no-restricted-imports': ['error', { patterns: ['node:*', '@temporalio/*'] }],
    },
  },
  {
    files: ['src/workflows/**'],
    plugins: { temporal },
    rules: {
      'temporal/workflow-no-activity-definitions-import': 'error',
      'temporal/workflow-no-client-import': 'error',
      'temporal/workflow-no-node-or-dom-imports': 'error',
      'temporal/workflow-no-console': 'error',
      'temporal/workflow-no-process-env': 'error',
      'temporal/workflow-no-async-query-handler': 'error',
      'temporal/workflow-no-query-mutation': 'error',
      'temporal/workflow-no-continue-as-new-in-update-handler': 'error',
      'temporal/workflow-require-activity-timeouts': 'error',
      'temporal/workflow-require-type-only-activity-imports': 'error',
      'temporal/workflow-prefer-sleep': 'error',
      '@typescript-eslint/no-invalid-void-type': 'off',
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            'node:*',
            '@temporalio/client',
            '@temporalio/worker',
            '@temporalio/activity',
            '@temporalio/testing',
          ],
        },
      ],
    },
  },
  {
    files: ['src/web/**'],
    rules: { '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }] },
  },
  {
    files: ['test/**', 'bench/**'],
    rules: { '@typescript-eslint/unbound-method': 'off' },
  },
  {
    files: ['**/*.mjs', 'bin/*'],
    ...tseslint.configs.disableTypeChecked,
    rules: { ...tseslint.configs.disableTypeChecked.rules, 'no-undef': 'off' },
  },
  prettier,
);
