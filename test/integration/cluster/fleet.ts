import { fileURLToPath } from 'node:url';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { WorkflowBundle } from '@temporalio/worker';
import { createClusterActivities } from '../../../src/activities/cluster.ts';
import type { ActivityDeps } from '../../../src/activities/deps.ts';
import { createSweepActivities } from '../../../src/activities/sweep.ts';
import type { LedgerView } from '../../../src/domain/cluster/ledger.ts';
import type { SweepReport } from '../../../src/domain/cluster/sweep.ts';
import { clusterWorkflowId, hostedVmWorkflowId, taskQueues } from '../../../src/domain/cluster-messages.ts';
import type { Instance, Warmth } from '../../../src/domain/instance.ts';
import { instanceId, shadowVmWorkflowId } from '../../../src/domain/instance.ts';
import type { InstanceGoal, ShadowVmInput } from '../../../src/domain/instance-messages.ts';
import type { ClusterSpec } from '../../../src/domain/inventory.ts';
import type { HostedVmSpec } from '../../../src/domain/policy.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import type { Running } from '../../../src/workers/running.ts';
import { startWorker } from '../../../src/workers/worker.ts';
import { FakeWorld } from '../../support/fake-world.ts';
import { specOf } from '../../support/spec-of.ts';
import type { Lab } from '../proxmox/lab.ts';
import { vmids } from '../proxmox/lab.ts';

let bundle: Promise<WorkflowBundle> | undefined;

function bundled(): Promise<WorkflowBundle> {
  const workflowsPath = fileURLToPath(new URL('workflows.ts', import.meta.url));
  bundle ??= bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  return bundle;
}

const usual: Omit<ClusterSpec, 'name'> = {
  provider: 'proxmox',
  endpoints: [],
  tokenFile: '',
  vmids,
  addresses: { from: '10.0.0.11', to: '10.0.0.110', prefix: 24, gateway: '10.0.0.1' },
  pool: 'umbra',
  budget: { maxShadows: 60, maxMemoryMiB: 262_144 },
  clonesPerStorage: 4,
  quarantineMs: 3_600_000,
  failovers: { limit: 10, windowMs: 60_000 },
};

/** Real workflows and workers on simulated clusters; names and probes are in memory, hosted VMs are played by tests. */
export class Fleet {
  readonly env: TestWorkflowEnvironment;
  readonly world = new FakeWorld();
  readonly sweeps: SweepReport[] = [];
  readonly hostedVms: HostedVmSpec[] = [];
  readonly #labs = new Map<string, Lab>();
  readonly #specs = new Map<string, ClusterSpec>();
  readonly #started: string[] = [];
  #running: Running | undefined;

  constructor(env: TestWorkflowEnvironment) {
    this.env = env;
  }

  async work(): Promise<void> {
    const deps: ActivityDeps = {
      ...this.world.deps(),
      hypervisorOf: (cluster) => Promise.resolve(this.#labs.get(cluster)!.hypervisor),
      probe: () => Promise.resolve({ ok: true, latencyMs: 1, detail: '200 OK' }),
    };
    const sweeping = {
      ...deps,
      inventory: () => Promise.resolve({ clusters: [...this.#specs.values()], zones: [], hostedVms: this.hostedVms }),
      ledgerOf: (cluster: string) => this.ledger(cluster),
      hostedVmOf: (id: string) => this.hostedVm(id),
      report: (report: SweepReport) => Promise.resolve(void this.sweeps.push(report)),
    };
    this.#running = await startWorker(deps, {
      connection: this.env.nativeConnection,
      namespace: this.env.namespace ?? 'default',
      workflowBundle: await bundled(),
      more: { ...createClusterActivities(deps), ...createSweepActivities(sweeping) },
    });
  }

  async open(cluster: string, lab: Lab, change: Partial<ClusterSpec> = {}): Promise<void> {
    const spec: ClusterSpec = { ...usual, name: cluster, ...change };
    this.#labs.set(cluster, lab);
    this.#specs.set(cluster, spec);
    await this.start('cluster', clusterWorkflowId(cluster), [{ spec }]);
  }

  async start(type: string, workflowId: string, args: readonly unknown[]): Promise<void> {
    this.#started.push(workflowId);
    await this.env.client.workflow.start(type, { workflowId, taskQueue: taskQueues.workflows, args: [...args] });
  }

  /** Asks a new shadow into being, as its hosted VM would. */
  async shadow(cluster: string, hostedVmId: string, n: number, warmth: Warmth = 'stopped'): Promise<void> {
    const instance: Instance = {
      id: instanceId(hostedVmId, n),
      n,
      role: 'shadow',
      tier: 1,
      capacityQps: 100,
      cluster,
      owned: true,
      state: { kind: 'provisioning', since: Date.now(), step: 'leasing' },
    };
    const input: ShadowVmInput = {
      hostedVmId,
      spec: specOf(hostedVmId, { resources: { cores: 1, memoryMiB: 512 } }),
      instance,
      wish: { goal: { kind: 'warm', warmth }, paused: false, reason: { code: 'test', text: 'the test asks for it' } },
      awayFrom: [{ vmid: 101, strict: true }],
      source: { vmid: 9000 },
    };
    await this.start('shadowVm', shadowVmWorkflowId(instance.id), [input]);
  }

  async wish(instance: string, goal: InstanceGoal): Promise<void> {
    const reason = { code: 'test', text: 'the test wants it' };
    try {
      await this.handle(shadowVmWorkflowId(instance)).signal('wish', { goal, paused: false, reason });
    } catch (error) {
      // Whoever has reached its end meanwhile has nothing left to wish for.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }

  async instance(id: string): Promise<Instance> {
    return await this.handle(shadowVmWorkflowId(id)).query<Instance>('state');
  }

  /** Every instance of a hosted VM that was ever asked for. */
  async instances(hostedVmId: string): Promise<Instance[]> {
    const prefix = shadowVmWorkflowId(`${hostedVmId}/`);
    const ids = this.#started.filter((one) => one.startsWith(prefix));
    return await Promise.all(ids.map((id) => this.handle(id).query<Instance>('state')));
  }

  async ledger(cluster: string): Promise<LedgerView> {
    return await this.handle(clusterWorkflowId(cluster)).query<LedgerView>('ledger');
  }

  async tellCluster(cluster: string, signal: string, payload: object): Promise<void> {
    await this.handle(clusterWorkflowId(cluster)).signal(signal, payload);
  }

  handle(workflowId: string) {
    return this.env.client.workflow.getHandle(workflowId);
  }

  /** A query is a task for a worker: many schedules side by side ask slowly. */
  async until<T>(what: string, look: () => Promise<T | false>, withinMs = 120_000): Promise<T> {
    const until = Date.now() + withinMs;
    for (;;) {
      const found = await look();
      if (found !== false) return found;
      if (Date.now() > until) throw new Error(`waited ${withinMs} ms in vain: ${what}; ${await this.stuckAt()}`);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  /** What the workflows of this fleet are doing, and why that fails: for whoever has to find out. */
  private async stuckAt(): Promise<string> {
    const lines: string[] = [];
    for (const id of this.#started) {
      const { status, raw } = await this.handle(id).describe();
      if (status.name !== 'RUNNING') continue;
      for (const one of raw.pendingActivities ?? []) {
        lines.push(
          `${id}: ${one.activityType?.name ?? ''} attempt ${one.attempt ?? 0}: ${one.lastFailure?.message ?? ''}`,
        );
      }
    }
    return lines.join('; ');
  }

  /** Ends the workflows of one cluster. */
  async close(cluster: string): Promise<void> {
    for (const id of this.#started.filter((one) => one.includes(cluster))) {
      await this.handle(id)
        .terminate('end of test')
        .catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    for (const id of this.#started) {
      await this.handle(id)
        .terminate('end of test')
        .catch(() => undefined);
    }
    await this.#running?.stop();
    this.#running = undefined;
  }

  private async hostedVm(id: string): Promise<HostedVmView | undefined> {
    try {
      return await this.handle(hostedVmWorkflowId(id)).query<HostedVmView>('view');
    } catch {
      return undefined;
    }
  }
}
