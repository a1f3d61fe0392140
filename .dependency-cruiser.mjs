import { readdirSync, readFileSync } from 'node:fs';
import { importRules } from './tools/import-rules.mjs';

export default {
  forbidden: [
    ...importRules(readFileSync('ARCHITECTURE.md', 'utf8'), readdirSync('src')),
    {
      name: 'only-two-verbs-bring-the-demonstration-with-them',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: ['^src/cli/(sim|dev)\\.ts$'] },
      to: { path: '^src/(sim|demo)/' },
    },
    {
      name: 'one-file-of-the-command-line-knows-composition',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: ['^src/cli/processes\\.ts$'] },
      to: { path: '^src/composition', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
