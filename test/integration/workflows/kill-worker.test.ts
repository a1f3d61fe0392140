import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { expectedEndOf, runKilledAt } from '../../support/killing.ts';
import type { KillPoint } from '../../support/killing.ts';
import { quietly } from '../../support/stage.ts';
import { devServer } from '../../support/temporal.ts';

jest.setTimeout(240_000);
quietly();

/** The rest by `npm run soak -- kill-worker`. */
const points: KillPoint[] = [
  { call: 'hypervisor.ensureShadow', nth: 1, when: 'after' },
  { call: 'dns.ensureAnswers', nth: 2, when: 'after' },
];

describe('a worker killed by SIGKILL', () => {
  let env: TestWorkflowEnvironment;
  beforeAll(async () => {
    env = await devServer();
  });
  afterAll(() => env.teardown());

  test.each(points)('$when $call number $nth ends in the same state as if it had lived', async (point) => {
    expect(await runKilledAt(env, point)).toEqual(expectedEndOf(point));
  });
});
