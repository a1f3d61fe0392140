/** A layer may import itself and what is listed; everything else is a wall. Order as in ARCHITECTURE.md. */
const layer = (name, may, severity = 'error') => ({
  name: `${name}-imports`,
  severity,
  from: { path: `^src/${name}/` },
  to: { path: '^src/', pathNot: [`^src/${name}/`, ...may.map((other) => `^src/${other}`)] },
});

export default {
  forbidden: [
    layer('domain', []),
    layer('planning', ['domain/']),
    layer('ports', ['domain/']),
    layer('providers', ['domain/', 'ports/', 'planning/forecast/']),
    layer('activities', ['domain/', 'ports/', 'planning/']),
    layer('inventory', ['domain/']),
    layer('foresight', ['domain/', 'planning/', 'ports/']),
    layer('collector', ['domain/', 'ports/', 'inventory/']),
    layer('monitor', ['domain/', 'ports/']),
    layer('web', ['domain/']),
    {
      name: 'workflows-run-domain-only',
      severity: 'error',
      from: { path: '^src/workflows/' },
      to: { path: '^src/', pathNot: ['^src/workflows/', '^src/domain/'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'workflows-know-activities-as-types',
      severity: 'error',
      from: { path: '^src/workflows/' },
      to: { path: '^src/', pathNot: ['^src/workflows/', '^src/domain/', '^src/activities/'] },
    },
    {
      name: 'pure-code-has-no-packages',
      severity: 'error',
      from: { path: '^src/(domain|planning)/' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional'] },
    },
    {
      name: 'nobody-in-production-imports-the-simulator',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/sim/', '^src/demo/', '^src/cli/(sim|dev)\\.ts$'] },
      to: { path: '^src/sim/' },
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
