import { fileURLToPath } from 'node:url';
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
import type { ClusterSpec, Inventory } from '../../../src/domain/inventory.ts';
import type { HostedVmSpec } from '../../../src/domain/policy.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import type { Running } from '../../../src/workers/running.ts';
import { startWorker } from '../../../src/workers/worker.ts';
import { FakeWorld } from '../../support/fake-world.ts';
import { specOf } from '../../support/stage.ts';
import type { Lab } from '../proxmox/lab.ts';
import { vmids } from '../proxmox/lab.ts';

let bundle: Promise<WorkflowBundle> | undefined;

function bundled(): Promise<WorkflowBundle> {
  const workflowsPath = fileURLToPath(new URL('workflows.ts', import.meta.url));
  bundle ??= bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  return bundle;
}

export const clusterSpec: ClusterSpec = {
  name: 'lab',
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

/** Real workflows and workers on a simulated cluster; names and probes are in memory. */
export class Rig {
  readonly env: TestWorkflowEnvironment;
  readonly lab: Lab;
  readonly world = new FakeWorld();
  readonly sweeps: SweepReport[] = [];
  readonly hostedVms: HostedVmSpec[] = [];
  #running: Running | undefined;

  constructor(env: TestWorkflowEnvironment, lab: Lab) {
    this.env = env;
    this.lab = lab;
  }

  async start(spec: Partial<ClusterSpec> = {}): Promise<void> {
    const { lab, world } = this;
    const deps: ActivityDeps = {
      ...world.deps(),
      hypervisorOf: () => Promise.resolve(lab.hypervisor),
      probe: () => Promise.resolve({ ok: true, latencyMs: 1, detail: '200 OK' }),
    };
    const sweepDeps = {
      ...deps,
      inventory: () => Promise.resolve(this.inventory({ ...clusterSpec, ...spec })),
      ledgerOf: () => this.ledger(),
      hostedVmOf: (id: string) => this.hostedVm(id),
      report: (report: SweepReport) => Promise.resolve(void this.sweeps.push(report)),
    };
    this.#running = await startWorker(deps, {
      connection: this.env.nativeConnection,
      namespace: this.env.namespace ?? 'default',
      workflowBundle: await bundled(),
      more: { ...createClusterActivities(deps), ...createSweepActivities(sweepDeps) },
    });
    await this.env.client.workflow.start('cluster', {
      workflowId: clusterWorkflowId('lab'),
      taskQueue: taskQueues.workflows,
      args: [{ spec: { ...clusterSpec, ...spec } }],
    });
  }

  /** Asks a new shadow of a hosted VM into being, as its hosted VM would. */
  async shadow(hostedVmId: string, n: number, warmth: Warmth = 'stopped'): Promise<void> {
    const spec = specOf(hostedVmId, { resources: { cores: 1, memoryMiB: 512 } });
    const instance: Instance = {
      id: instanceId(hostedVmId, n),
      n,
      role: 'shadow',
      tier: 1,
      capacityQps: 100,
      cluster: 'lab',
      owned: true,
      state: { kind: 'provisioning', since: Date.now(), step: 'leasing' },
    };
    const input: ShadowVmInput = {
      hostedVmId,
      spec,
      instance,
      wish: { goal: { kind: 'warm', warmth }, paused: false, reason: { code: 'test', text: 'the test asks for it' } },
      awayFrom: [{ vmid: 101, strict: true }],
      source: { vmid: 9000 },
    };
    await this.env.client.workflow.start('shadowVm', {
      workflowId: shadowVmWorkflowId(instance.id),
      taskQueue: taskQueues.workflows,
      args: [input],
    });
  }

  async wish(instance: string, goal: InstanceGoal): Promise<void> {
    const reason = { code: 'test', text: 'the test wants it' };
    await this.env.client.workflow
      .getHandle(shadowVmWorkflowId(instance))
      .signal('wish', { goal, paused: false, reason });
  }

  async instance(id: string): Promise<Instance> {
    return await this.env.client.workflow.getHandle(shadowVmWorkflowId(id)).query<Instance>('state');
  }

  async ledger(): Promise<LedgerView> {
    return await this.env.client.workflow.getHandle(clusterWorkflowId('lab')).query<LedgerView>('ledger');
  }

  async tellCluster(signal: string, payload: object): Promise<void> {
    await this.env.client.workflow.getHandle(clusterWorkflowId('lab')).signal(signal, payload);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  /** Ends every workflow of this server. */
  async clear(): Promise<void> {
    const { workflow } = this.env.client;
    for await (const one of workflow.list({ query: 'ExecutionStatus="Running"' })) {
      await workflow
        .getHandle(one.workflowId)
        .terminate('end of test')
        .catch(() => undefined);
    }
    await this.stop();
  }

  private inventory(spec: ClusterSpec): Inventory {
    return { clusters: [spec], zones: [], hostedVms: this.hostedVms };
  }

  private async hostedVm(id: string): Promise<HostedVmView | undefined> {
    try {
      return await this.env.client.workflow.getHandle(hostedVmWorkflowId(id)).query<HostedVmView>('view');
    } catch {
      return undefined;
    }
  }
}
