/** What global-setup.ts finds out once per jest run, handed to the test processes by environment variables. */
export const handedOver = {
  temporalCli: 'UMBRA_TEST_TEMPORAL_CLI',
  timeSkippingServer: 'UMBRA_TEST_TIME_SKIPPING_SERVER',
  workflowBundle: 'UMBRA_TEST_WORKFLOW_BUNDLE',
} as const;

/** Prefix of a handed-over value that says why there is none. */
export const missing = 'missing: ';
