import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime } from '@temporalio/worker';
import type { WorkflowBundle } from '@temporalio/worker';
import type { WorkflowHandle } from '@temporalio/client';
import { clusterWorkflowId, hostedVmWorkflowId, taskQueues } from '../../src/domain/cluster-messages.ts';
import type { Accepted, Command, CommandArguments } from '../../src/domain/commands.ts';
import type { HealthFinding, HealthReport } from '../../src/domain/health.ts';
import type { VantageKind } from '../../src/domain/vantage.ts';
import type { HostedVmState } from '../../src/domain/hosted-vm.ts';
import type { HostedVmInput } from '../../src/domain/hosted-vm/messages.ts';
import type { InstanceId } from '../../src/domain/instance.ts';
import { shadowVmWorkflowId } from '../../src/domain/instance.ts';
import type { HostedVmSpec } from '../../src/domain/policy.ts';
import type { HostedVmView } from '../../src/domain/view.ts';
import type { Running } from '../../src/workers/running.ts';
import { startWorker } from '../../src/workers/worker.ts';
import { FakeWorld } from './fake-world.ts';

/** Call before anything else of Temporal in a test file: workers that start and stop are no news. */
export function quietly(): void {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
}

/** The product's workflows and the fake cluster's. */
export const workflowsWithFakes = fileURLToPath(new URL('workflows-with-fakes.ts', import.meta.url));

let bundle: Promise<WorkflowBundle> | undefined;

/** Bundled once per test file; with stack traces, unlike production's. */
export function bundleWithFakes(): Promise<WorkflowBundle> {
  bundle ??= bundleWorkflowCode({ workflowsPath: workflowsWithFakes, logger: new DefaultLogger('WARN') });
  return bundle;
}

/** Waits for something to become true; says what it waited for when it does not. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 40_000,
): Promise<T> {
  const until = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > until) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** One hosted VM on a fake world, with real workflows, workers and server. */
export class Stage {
  /** Another one when the server was away for a while. */
  env: TestWorkflowEnvironment;
  readonly world: FakeWorld;
  readonly spec: HostedVmSpec;
  running: Running | undefined;
  private seq = 0;

  constructor(env: TestWorkflowEnvironment, spec: HostedVmSpec, world = new FakeWorld()) {
    this.env = env;
    this.spec = spec;
    this.world = world;
    const { vmid, address } = spec.primary;
    world.hypervisor.add({ vmid, address: address! });
    for (const name of spec.names) world.dns.add(name, address!);
  }

  get handle(): WorkflowHandle {
    return this.env.client.workflow.getHandle(hostedVmWorkflowId(this.spec.id));
  }

  async work(): Promise<void> {
    this.running = await startWorker(this.world.deps(), {
      connection: this.env.nativeConnection,
      namespace: this.env.namespace ?? 'default',
      workflowBundle: await bundleWithFakes(),
    });
  }

  async stopWork(): Promise<void> {
    await this.running?.stop();
    this.running = undefined;
  }

  async begin(options: Partial<HostedVmInput> = {}): Promise<void> {
    const { workflow } = this.env.client;
    await workflow
      .start('cluster', { workflowId: clusterWorkflowId('main'), taskQueue: taskQueues.workflows, args: [] })
      .catch(() => undefined);
    await workflow.start('hostedVm', {
      workflowId: hostedVmWorkflowId(this.spec.id),
      taskQueue: taskQueues.failover,
      args: [{ spec: this.spec, revision: 1, ...options }],
    });
  }

  /** Ends every workflow of this stage, so that the next test on this server starts clean. */
  async end(): Promise<void> {
    const { workflow } = this.env.client;
    const { instances } = await this.state().catch(() => ({ instances: [] }));
    const ids = instances.map(({ id }) => `shadow-vm/${id}`);
    if (process.env['UMBRA_RECORD_HISTORIES'] !== undefined) await this.record(instances.map(({ id }) => id));
    for (const id of [hostedVmWorkflowId(this.spec.id), clusterWorkflowId('main'), ...ids]) {
      await workflow
        .getHandle(id)
        .terminate('end of test')
        .catch(() => undefined);
    }
    await this.stopWork();
  }

  /** Keeps what has just been lived through, for replay against the code of later days. */
  private async record(instances: readonly InstanceId[]): Promise<void> {
    // Not at the top: benchmarks and soak tests use a stage outside jest.
    const { expect } = await import('@jest/globals');
    const situation = (expect.getState().currentTestName ?? this.spec.id).replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase();
    const recorded: Record<string, unknown> = {};
    for (const id of [hostedVmWorkflowId(this.spec.id), ...instances.map(shadowVmWorkflowId)]) {
      const history = await this.env.client.workflow.getHandle(id).fetchHistory();
      recorded[id] = JSON.parse(historyToJSON(history));
    }
    const file = new URL(`../histories/${situation.slice(0, 80)}.json.gz`, import.meta.url);
    writeFileSync(file, gzipSync(JSON.stringify(recorded)));
  }

  state(): Promise<HostedVmState> {
    return this.handle.query<HostedVmState>('state');
  }

  view(): Promise<HostedVmView> {
    return this.handle.query<HostedVmView>('view');
  }

  until(what: string, holds: (state: HostedVmState) => boolean, withinMs?: number): Promise<HostedVmState> {
    return eventually(
      `${this.spec.id}: ${what}`,
      async () => {
        const state = await this.state();
        return holds(state) && state;
      },
      withinMs,
    );
  }

  protected(): Promise<HostedVmState> {
    return this.until('a warm shadow', ({ instances }) =>
      instances.some(({ role, state }) => role === 'shadow' && state.kind === 'warm'),
    );
  }

  /** Three vantage points, or those named, report a finding. */
  async report(
    instance: InstanceId,
    to: HealthFinding,
    vantages: readonly string[] = ['north', 'south', 'east'],
    kind: VantageKind = 'probe',
  ): Promise<void> {
    await Promise.all(
      vantages.map(async (vantage) => {
        this.seq += 1;
        const now = Date.now();
        const report: HealthReport = {
          instance,
          vantage,
          kind,
          to,
          epoch: 1,
          seq: this.seq,
          observedAtMs: now,
          sinceMs: now - 3_000,
          evidence: to === 'failed' ? 'connection refused' : to,
        };
        await this.handle.signal('healthChanged', report);
      }),
    );
  }

  command<C extends Command>(
    command: C,
    with_: Omit<CommandArguments[C], 'requestId' | 'actor' | 'reason'> | object = {},
  ): Promise<Accepted> {
    return this.handle.executeUpdate(command, {
      args: [{ requestId: randomUUID(), actor: 'ada', reason: 'because of the test', ...with_ }],
    });
  }

  /** What DNS answers now. */
  answers(): readonly string[] {
    return this.world.dns.names.get(this.spec.names[0]!)?.a ?? [];
  }
}
