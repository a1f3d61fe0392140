import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { runSchedules } from '../../soak/schedules.ts';
import { quietly } from '../../support/stage.ts';
import { devServer } from '../../support/temporal.ts';

jest.setTimeout(240_000);
quietly();

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await devServer();
});
afterAll(() => env.teardown());

test('twenty random fault schedules settle with registry = Proxmox = DNS and nothing left over', async () => {
  const outcomes = await runSchedules(env, 20, 1);
  expect(outcomes.filter((one) => one.problems.length > 0)).toEqual([]);
  expect(outcomes).toHaveLength(20);
});
