import { afterAll, afterEach, beforeAll } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { HostedVmSpec } from '../../src/domain/policy.ts';
import { Stage } from './stage.ts';
import { devServer } from './temporal.ts';

/** A Temporal server for the tests of a suite, and a stage for each, which ends with its test. */
export class Theatre {
  #env: TestWorkflowEnvironment | undefined;
  #stage: Stage | undefined;

  constructor(server: () => Promise<TestWorkflowEnvironment> = devServer) {
    beforeAll(async () => {
      this.#env = await server();
    });
    afterEach(() => this.#stage?.end());
    afterAll(() => this.#env?.teardown());
  }

  get env(): TestWorkflowEnvironment {
    return this.#env!;
  }

  /** A stage where nothing has begun. */
  stage(spec: HostedVmSpec): Stage {
    this.#stage = new Stage(this.env, spec);
    return this.#stage;
  }

  /** A stage where everything has begun. */
  async open(spec: HostedVmSpec): Promise<Stage> {
    const stage = this.stage(spec);
    await stage.work();
    await stage.begin();
    return stage;
  }
}
