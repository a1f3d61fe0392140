import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime } from '@temporalio/worker';
import { defineSearchAttributeKey } from '@temporalio/common';
import { clusterWorkflowId, hostedVmWorkflowId, taskQueues } from '../src/domain/cluster-messages.ts';
import type { UmbraEvent } from '../src/domain/event.ts';
import { hostedVmSignals } from '../src/domain/hosted-vm/messages.ts';
import { parseInstanceId } from '../src/domain/instance.ts';
import type { HostedVmSpec } from '../src/domain/policy.ts';
import { searchAttributeTypes } from '../src/domain/search-attributes.ts';
import type { HostedVmView } from '../src/domain/view.ts';
import { systemClock } from '../src/monitor/clock.ts';
import type { MonitoredInstance } from '../src/monitor/monitored.ts';
import { monitorShard } from '../src/monitor/shard.ts';
import { startEmbeddedNameServer } from '../src/providers/dns/embedded.ts';
import type { NameServer } from '../src/ports/name-server.ts';
import { rfc2136NameServer } from '../src/providers/dns/rfc2136.ts';
import { socketProber } from '../src/providers/probes/prober.ts';
import { bundling } from '../src/workers/bundle.ts';
import { startMonitor } from '../src/workers/monitor.ts';
import type { Running } from '../src/workers/running.ts';
import { startWorker } from '../src/workers/worker.ts';
import { FakeWorld } from '../test/support/fake-world.ts';
import { eventually, workflowsWithFakes } from '../test/support/stage.ts';
import { specOf } from '../test/support/spec-of.ts';
import { obtainTemporalCli } from '../tools/temporal-server.mjs';
import { addressIn, faults, startCluster } from './failover/cluster.ts';
import type { BenchCluster, Fault } from './failover/cluster.ts';

/** Of the Umbra that the claims are written by. */
const installation = '3f9c2a71b0de';

const zone = 'bench.example';
const key = { name: 'bench', algorithm: 'hmac-sha256', secret: Buffer.alloc(32, 7).toString('base64') } as const;
const vantages = ['north', 'south', 'east'];
const guestPort = 18_080;
/** Failures are spread like this, so that they meet the probes at every moment between two of them. */
const everyMs = 333;

/** Nobody listens any more; connections are accepted and never answered; connections are dropped without a word. */
type Death = 'refused' | 'accepted' | 'dropped' | Fault;
const deaths: readonly Death[] = ['refused', 'accepted', 'refused', 'dropped'];
type Timing = { readonly id: string; readonly death: Death; readonly at: number; answerAt?: number };

type Machine = { readonly child: ChildProcess; readonly waiting: Socket[] };

/** Guests are listeners on addresses of their own: probes, refusals and silences are real. */
class Guests {
  private readonly servers = new Map<string, Server>();
  private readonly silent = new Set<string>();
  private readonly machines = new Map<string, Machine>();

  async start(address: string): Promise<void> {
    if (this.servers.has(address)) return;
    const server = createServer((_request, response) => {
      if (!this.silent.has(address)) response.end('ok');
    });
    this.servers.set(address, server);
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(guestPort, address, resolve));
  }

  /** A guest that can stop taking connections: a process of its own with room for two that wait. */
  async startApart(address: string): Promise<void> {
    const source = `require('node:http').createServer((_, to) => to.setHeader('connection', 'close').end('ok'))
      .listen({ host: '${address}', port: ${guestPort}, backlog: 1 }, () => console.log('up'))`;
    const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.machines.set(address, { child, waiting: [] });
    await once(child.stdout, 'data');
  }

  die(address: string, death: Death): void {
    if (death === 'accepted') this.silent.add(address);
    else if (death === 'refused') this.stop(address);
    else this.freeze(address);
  }

  /** The kernel answers for a stopped process until its queue is full, and then drops what comes. */
  private freeze(address: string): void {
    const machine = this.machines.get(address);
    if (machine === undefined) throw new Error(`${address} is no process of its own`);
    machine.child.kill('SIGSTOP');
    for (let i = 0; i < 4; i += 1) {
      const socket = connect({ host: address, port: guestPort });
      socket.on('error', () => undefined);
      machine.waiting.push(socket);
    }
  }

  stop(address: string): void {
    const machine = this.machines.get(address);
    this.machines.delete(address);
    machine?.child.kill('SIGKILL');
    for (const socket of machine?.waiting ?? []) socket.destroy();
    const server = this.servers.get(address);
    this.servers.delete(address);
    server?.close();
    server?.closeAllConnections();
  }

  stopAll(): void {
    for (const address of [...this.servers.keys(), ...this.machines.keys()]) this.stop(address);
  }
}

/**
 * 20 stateless hosted VMs with warm shadows on a real Temporal development server, three monitors with 1 s probes and
 * 3 failures, and a name server over the wire. Half die refusing; of the others half accept connections and never answer,
 * and half drop them. The new answer is read from the name server. `npm run bench -- failover [vms]`.
 *
 * With `--fault vm-crash` or `--fault node-off` the guests are those of a simulated Proxmox with the times of a real one,
 * behind the real provider, and fail in one moment; then it is measured too when the fence has said how far it came.
 */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { fault, count } = wishOf(args);
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const path = await obtainTemporalCli({ log: (line) => process.stderr.write(`${line}\n`) });
  const env = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      log: { format: 'pretty', level: 'error' },
      // As the demonstration and docker-compose run it.
      extraArgs: ['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
      searchAttributes: Object.entries(searchAttributeTypes).map(([name, type]) =>
        defineSearchAttributeKey(name, type),
      ),
    },
  });
  const guests = new Guests();
  const specs = Array.from({ length: count }, (_, index) => specFor(index, fault));
  const cluster =
    fault === undefined
      ? undefined
      : await startCluster(
          specs.map(({ id }) => id),
          guestPort,
        );
  const dns = await startEmbeddedNameServer({
    host: '127.0.0.1',
    port: 0,
    zone,
    key,
    records: specs.map((spec) => ({ name: spec.names[0]!, type: 'A', ttlSeconds: 5, value: spec.primary.address! })),
  });
  const running: Running[] = [];
  try {
    const world = new FakeWorld();
    world.hypervisor.onPower = ({ address, power }) => {
      if (address === undefined) return;
      if (power === 'running') void guests.start(address);
      else guests.stop(address);
    };
    for (const [index, spec] of cluster === undefined ? specs.entries() : []) {
      world.hypervisor.add({ vmid: spec.primary.vmid, address: spec.primary.address! });
      if (deathOf(index) === 'dropped') await guests.startApart(spec.primary.address!);
      else await guests.start(spec.primary.address!);
    }
    const server = rfc2136NameServer({ installation, servers: [{ host: '127.0.0.1', port: dns.port }], key });
    const prober = socketProber();
    const connection = env.nativeConnection;
    const namespace = env.namespace ?? 'default';
    const deps = {
      ...world.deps(),
      ...(cluster === undefined ? {} : { hypervisorOf: () => Promise.resolve(cluster.hypervisor) }),
      nameServerOf: () => Promise.resolve(server),
      probe: async (target: Parameters<typeof prober.probe>[0], timeoutMs: number, signal?: AbortSignal) => {
        const { outcome, latencyMs, detail } = await prober.probe(target, timeoutMs, signal);
        return { ok: outcome === 'ok', latencyMs, detail };
      },
    };
    const workflowBundle = await bundleWorkflowCode(bundling(workflowsWithFakes));
    running.push(await startWorker(deps, { connection, namespace, workflowBundle }));
    const { workflow } = env.client;
    await workflow.start('cluster', {
      workflowId: clusterWorkflowId('main'),
      taskQueue: taskQueues.workflows,
      args: [{ leases: {}, next: 9001, prefix: '127.30.1.' }],
    });
    for (const spec of specs) {
      await workflow.start('hostedVm', {
        workflowId: hostedVmWorkflowId(spec.id),
        taskQueue: taskQueues.failover,
        args: [{ spec, revision: 1 }],
      });
    }
    await eventually(
      'a warm shadow for each',
      () => [...world.views.values()].filter(isProtected).length === count,
      120_000,
    );
    for (const vantage of vantages) {
      running.push(
        await startMonitor({
          connection,
          client: env.client,
          namespace,
          vantage,
          watch: async ({ epoch, beat, signal }) => {
            await monitorShard({
              vantage,
              epoch,
              instances: () => monitored(world, specs),
              prober,
              clock: systemClock,
              signal,
              beat,
              send: (report) =>
                workflow
                  .getHandle(hostedVmWorkflowId(parseInstanceId(report.instance).hostedVmId))
                  .signal(hostedVmSignals.healthChanged, report),
            });
          },
        }),
      );
    }
    await eventually(
      'every monitor to have reported',
      async () => {
        const states = await Promise.all(
          specs.map(({ id }) => workflow.getHandle(hostedVmWorkflowId(id)).query<{ reports: unknown[] }>('state')),
        );
        return states.every(({ reports }) => reports.length >= vantages.length);
      },
      60_000,
    );
    const timings = await failAll(specs, server, failuresOf(fault, cluster, specs, guests));
    await eventually(
      'the timelines',
      () => specs.every(({ id }) => isTold(world.events, id, fault !== undefined)),
      180_000,
    );
    const figures = figuresOf(timings, world.events);
    print(figures);
    console.log(JSON.stringify({ bench: 'failover', ...(fault === undefined ? {} : { fault }), figures }));
    return figures;
  } finally {
    for (const each of running) await each.stop().catch(() => undefined);
    guests.stopAll();
    await cluster?.close();
    await dns.close();
    await env.teardown();
  }
}

function deathOf(index: number): Death {
  return deaths[index % deaths.length]!;
}

/** @throws Error when the fault is none that can be played */
function wishOf(args: readonly string[]): { readonly fault?: Fault; readonly count: number } {
  const at = args.indexOf('--fault');
  const [vms] = at === -1 ? args : args.filter((_, index) => index !== at && index !== at + 1);
  const count = Math.min(60, Number(vms ?? (at === -1 ? 20 : 8)));
  if (at === -1) return { count };
  const fault = faults.find((name) => name === args[at + 1]);
  if (fault === undefined) throw new Error(`--fault is one of: ${faults.join(', ')}`);
  return { fault, count };
}

/** What fails and when, in milliseconds from the beginning. */
type Failure = { readonly id: string; readonly death: Death; readonly afterMs: number; readonly strike: () => void };

function failuresOf(
  fault: Fault | undefined,
  cluster: BenchCluster | undefined,
  specs: readonly HostedVmSpec[],
  guests: Guests,
): Failure[] {
  return specs.map(({ id, primary }, index) => {
    if (fault === undefined) {
      const death = deathOf(index);
      return { id, death, afterMs: index * everyMs, strike: () => guests.die(primary.address!, death) };
    }
    return { id, death: fault, afterMs: 0, strike: () => void (index === 0 ? cluster?.strike(fault) : undefined) };
  });
}

/** The answer has changed and, where it is measured, the fence has said how far it came. */
function isTold(events: readonly UmbraEvent[], id: string, withFence: boolean): boolean {
  const kinds = events.filter((event) => event.hostedVmId === id).map(({ kind }) => kind);
  return kinds.includes('answer-changed') && (!withFence || kinds.some((kind) => fenceKinds.includes(kind)));
}

/** Proof, or how far the fence came and why no further. */
const fenceKinds = ['fenced', 'fence-open'];

function specFor(index: number, fault: Fault | undefined): HostedVmSpec {
  const id = `vm${index + 1}`;
  const check = { kind: 'http', port: guestPort, path: '/', intervalMs: 1_000, timeoutMs: 1_000, failures: 3 } as const;
  return specOf(id, {
    names: [`${id}.${zone}`],
    zone,
    primary: {
      cluster: 'main',
      vmid: 101 + index,
      address: fault === undefined ? `127.30.0.${index + 1}` : addressIn(index),
    },
    ...(fault === undefined ? {} : { source: { vmid: 9000 }, resources: { cores: 1, memoryMiB: 512 } }),
    checks: [check],
  });
}

function isProtected(view: HostedVmView): boolean {
  return view.state === 'protected';
}

function monitored(world: FakeWorld, specs: readonly HostedVmSpec[]): MonitoredInstance[] {
  return specs.flatMap((spec) =>
    (world.views.get(spec.id)?.instances ?? []).flatMap(({ id, address, capacityQps, state }) =>
      address === undefined || state.kind === 'provisioning'
        ? []
        : [
            {
              instance: id,
              hostedVmId: spec.id,
              address,
              checks: spec.checks,
              host: spec.names[0]!,
              capacityQps,
              serving: true,
            },
          ],
    ),
  );
}

/** Lets one primary after another die and asks the name server, again and again, until each answer is another. */
async function failAll(
  specs: readonly HostedVmSpec[],
  server: NameServer,
  failures: readonly Failure[],
): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const { id, death, afterMs, strike } of failures) {
    setTimeout(() => {
      timings.push({ id, death, at: Date.now() });
      strike();
    }, afterMs);
  }
  await eventually(
    'every answer to change',
    async () => {
      const waiting = timings.filter(({ answerAt }) => answerAt === undefined);
      await Promise.all(
        waiting.map(async (timing) => {
          const spec = specs.find(({ id }) => id === timing.id)!;
          const { servers } = await server.observe(zone, spec.names);
          if (servers[0]?.a.some((address) => address.startsWith('127.30.1.')) === true) timing.answerAt = Date.now();
        }),
      );
      return timings.length === specs.length && timings.every(({ answerAt }) => answerAt !== undefined);
    },
    90_000,
  );
  return timings;
}

type Figures = Record<string, number>;

function figuresOf(timings: readonly Timing[], events: readonly UmbraEvent[]): Figures {
  const at = (id: string, kind: string): number =>
    events.find((event) => event.hostedVmId === id && event.kind === kind)!.at;
  const rows = timings.map(({ id, death, at: failedAt, answerAt }) => ({
    death,
    detected: at(id, 'failed-detected') - failedAt,
    decided: at(id, 'failover-decided') - at(id, 'failed-detected'),
    answer: answerAt! - at(id, 'failover-decided'),
    fence: fenceAt(events, id) - failedAt,
    whole: answerAt! - failedAt,
  }));
  const figures: Figures = { vms: timings.length };
  for (const [name, chosen] of [
    ['all', rows],
    ['refused', rows.filter(({ death }) => death === 'refused')],
    ['accepted', rows.filter(({ death }) => death === 'accepted')],
    ['dropped', rows.filter(({ death }) => death === 'dropped')],
  ] as const) {
    if (chosen.length === 0) continue;
    for (const part of ['detected', 'decided', 'answer', 'whole', 'fence'] as const) {
      const values = chosen.map((row) => row[part]);
      figures[`${name}.${part}.p50Ms`] = quantile(values, 0.5);
      figures[`${name}.${part}.p95Ms`] = quantile(values, 0.95);
    }
  }
  return figures;
}

/** Infinite where no fence was waited for. */
function fenceAt(events: readonly UmbraEvent[], id: string): number {
  const told = events.filter((event) => event.hostedVmId === id && fenceKinds.includes(event.kind));
  return Math.min(...told.map(({ at }) => at), Number.POSITIVE_INFINITY);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

function print(figures: Figures): void {
  const cell = (name: string): string => String(figures[name]).padStart(8);
  console.log(`${figures['vms']} hosted VMs; milliseconds, p50 and p95`);
  console.log(
    '          failure->detected  detected->decided    decided->answer     failure->answer      failure->fence',
  );
  for (const name of ['all', 'refused', 'accepted', 'dropped']) {
    if (figures[`${name}.whole.p50Ms`] === undefined) continue;
    const parts = ['detected', 'decided', 'answer', 'whole', 'fence'].map(
      (part) => `${cell(`${name}.${part}.p50Ms`)} ${cell(`${name}.${part}.p95Ms`)}`,
    );
    console.log(`${name.padEnd(10)}${parts.join('   ')}`);
  }
}
