import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { npm, root, runToEnd, say } from './run.mjs';

// `npm run check`: what a change should pass before it is committed, in a minute or so. Lint goes by its cache, which does
// not see that a type of another file has changed; `npm test` lints everything anew, and starts the servers.
await bootstrap();

const jest = fileURLToPath(new URL('node_modules/jest/bin/jest.js', root));
const eslint = fileURLToPath(new URL('node_modules/eslint/bin/eslint.js', root));
const prettier = fileURLToPath(new URL('node_modules/prettier/bin/prettier.cjs', root));
const cache = (name) => fileURLToPath(new URL(`node_modules/.cache/${name}`, root));

/** Replays of weeks by the forecaster: more CPU than all other unit tests together. `npm test` runs them. */
const leftOut = 'test/unit/planning/(bad-input|own|backtest)\\.test';
const unitTests = ['--selectProjects', 'unit', '--maxWorkers=2', '--silent', '--testPathIgnorePatterns', leftOut];

/** In two lanes: tests, and everything else. */
const lanes = [
  [['unit tests', [process.execPath, [jest, ...unitTests]]]],
  [
    ['types', npm('run', '--silent', 'types')],
    ['import rules', npm('run', '--silent', 'imports')],
    [
      'lint',
      [
        process.execPath,
        [eslint, '.', '--cache', '--cache-strategy', 'content', '--cache-location', cache('eslint-check')],
      ],
    ],
    [
      'format',
      [
        process.execPath,
        [prettier, '--check', '--log-level', 'warn', '.', '--cache', '--cache-location', cache('prettier-check')],
      ],
    ],
  ],
];

const startedAt = performance.now();
let failed = 0;
await Promise.all(
  lanes.map(async (lane) => {
    for (const [name, command] of lane) {
      const { code, text, seconds } = await runToEnd(command, { output: 'collect' });
      say(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)`);
      if (code === 0) continue;
      failed += 1;
      say(text.trimEnd());
    }
  }),
);
say(
  `${failed === 0 ? 'all is well' : `${failed} failed`} after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`,
);
process.exitCode = failed === 0 ? 0 : 1;
