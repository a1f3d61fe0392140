import { describe } from '@jest/globals';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { handedOver, missing } from './handed-over.ts';

const keywords = [
  'HostedVmId',
  'InstanceRole',
  'InstanceState',
  'Cluster',
  'ProxmoxNode',
  'StorageClass',
  'HealthState',
  'RiskBand',
];

/** The registry's search attributes, with the numbers of `temporal.api.enums.v1.IndexedValueType`. */
const searchAttributes = [
  ...keywords.map((name) => ({ name, type: SearchAttributeType.KEYWORD, indexedValueType: 2 })),
  { name: 'ProbationEndsAt', type: SearchAttributeType.DATETIME, indexedValueType: 6 },
  { name: 'Paused', type: SearchAttributeType.BOOL, indexedValueType: 5 },
];

/** As the demonstration and docker-compose run it. */
const eagerly = ['--dynamic-config-value', 'system.enableActivityEagerExecution=true'];

/** Starts a Temporal development server of its own, in memory. End it with `teardown()`. */
export async function devServer(): Promise<TestWorkflowEnvironment> {
  const path = handed('temporalCli');
  return withPatience(() =>
    TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path },
        searchAttributes: searchAttributes.map(({ name, type }) => defineSearchAttributeKey(name, type)),
        log: { format: 'pretty', level: 'error' },
        extraArgs: [...eagerly],
      },
    }),
  );
}

/** A development server on a port of its own that keeps its state in a file, so that it can be away for a while. */
export async function devServerWithState(port: number, dbFilename: string): Promise<TestWorkflowEnvironment> {
  const path = handed('temporalCli');
  return withPatience(() =>
    TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path },
        port,
        dbFilename,
        searchAttributes: searchAttributes.map(({ name, type }) => defineSearchAttributeKey(name, type)),
        log: { format: 'pretty', level: 'error' },
        extraArgs: [...eagerly],
      },
    }),
  );
}

/**
 * Starts the time-skipping server: `handle.result()` and `env.sleep()` let the virtual clock run.
 * It has no lists, schedules or resets. Use it inside `describeTimeSkipping`.
 */
export async function timeSkippingServer(): Promise<TestWorkflowEnvironment> {
  const path = handed('timeSkippingServer');
  const env = await withPatience(() =>
    TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } }),
  );
  await env.connection.operatorService.addSearchAttributes({
    namespace: env.namespace ?? 'default',
    searchAttributes: Object.fromEntries(searchAttributes.map((each) => [each.name, each.indexedValueType])),
  });
  return env;
}

/** `describe`, or a printed line and skipped tests where Java or Maven are missing; in CI that is a failure. */
export function describeTimeSkipping(name: string, tests: () => void): void {
  const value = process.env[handedOver.timeSkippingServer] ?? '';
  if (!value.startsWith(missing)) {
    describe(name, tests);
    return;
  }
  if (process.env['CI'] !== undefined) throw new Error(`${name}: ${value.slice(missing.length)}`);
  process.stderr.write(`skipped: ${name}: ${value.slice(missing.length)}\n`);
  describe.skip(name, tests);
}

/** All workflows, bundled once per jest run. Hand it to `Worker.create({ workflowBundle: workflowBundle() })`. */
export function workflowBundle(): { codePath: string } {
  return { codePath: handed('workflowBundle') };
}

function handed(what: keyof typeof handedOver): string {
  const value = process.env[handedOver[what]];
  if (value === undefined)
    throw new Error(`${what} comes from global-setup.ts: is this test in the integration project?`);
  if (value.startsWith(missing)) throw new Error(value.slice(missing.length));
  return value;
}

/** The SDK waits 5 s for a server, which a busy machine may need more than once. */
async function withPatience<T>(start: () => Promise<T>): Promise<T> {
  for (let triesLeft = 3; ; triesLeft -= 1) {
    try {
      return await start();
    } catch (error) {
      if (triesLeft === 1) throw error;
    }
  }
}
