import { spawnSync } from 'node:child_process';
import vm from 'node:vm';

// Jest needs Node's ESM hooks. Starting jest again with the flag keeps the user's NODE_OPTIONS as they are.
if (vm.SourceTextModule === undefined) {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const again = spawnSync(process.execPath, [...flags, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
  });
  process.exit(again.status ?? 1);
}

const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  injectGlobals: false,
  transform: {
    '\\.ts$': ['@swc/jest', { swcrc: false, jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }],
  },
};

export default {
  maxWorkers: 2,
  // Real servers on a busy machine: a test waits for conditions, and this only ends what will never come true.
  // Jest takes it here only, not in a project.
  testTimeout: 60_000,
  reporters: ['default', '<rootDir>/tools/closing-line.mjs'],
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    {
      ...shared,
      displayName: 'integration',
      testMatch: ['<rootDir>/test/{integration,e2e,replay,scenarios}/**/*.test.ts'],
      globalSetup: '<rootDir>/test/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/support/global-teardown.ts',
    },
  ],
};
