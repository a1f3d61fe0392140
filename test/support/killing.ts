import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Warmth } from '../../src/domain/instance.ts';
import { serveWorld } from './remote-world.ts';
import { specOf } from './spec-of.ts';
import { bundleWithFakes, eventually, Stage } from './stage.ts';

/** Where the worker dies: at the n-th call of this kind, before it takes effect or after, before the answer arrives. */
export type KillPoint = {
  readonly call: string;
  readonly nth: number;
  readonly when: 'before' | 'after';
  /** How the shadow is kept; hot unless told. */
  readonly warmth?: Warmth;
};

/** Every await of a failover that touches the world, and those of the shadow's making before it. */
export const killPoints: readonly KillPoint[] = [
  // Adoption: look, rights, names, marker.
  { call: 'hypervisor.observeGuest', nth: 1, when: 'after' },
  { call: 'hypervisor.checkRights', nth: 1, when: 'after' },
  { call: 'dns.observe', nth: 1, when: 'after' },
  { call: 'dns.ensureAnswers', nth: 1, when: 'before' },
  { call: 'dns.ensureAnswers', nth: 1, when: 'after' },
  { call: 'hypervisor.ensureMarked', nth: 1, when: 'before' },
  { call: 'hypervisor.ensureMarked', nth: 1, when: 'after' },
  // The shadow: forecast, clone, start, check.
  { call: 'evaluator.evaluate', nth: 1, when: 'before' },
  { call: 'evaluator.evaluate', nth: 1, when: 'after' },
  { call: 'hypervisor.ensureShadow', nth: 1, when: 'before' },
  { call: 'hypervisor.ensureShadow', nth: 1, when: 'after' },
  { call: 'hypervisor.ensurePower', nth: 1, when: 'before' },
  { call: 'hypervisor.ensurePower', nth: 1, when: 'after' },
  { call: 'probes.probe', nth: 1, when: 'before' },
  { call: 'probes.probe', nth: 2, when: 'after' },
  // The failover: second look at what serves and at what could, waking, DNS, fence.
  { call: 'probes.probe', nth: 3, when: 'before' },
  { call: 'probes.probe', nth: 3, when: 'after' },
  { call: 'probes.probe', nth: 4, when: 'after' },
  { call: 'hypervisor.ensurePower', nth: 2, when: 'before', warmth: 'paused' },
  { call: 'hypervisor.ensurePower', nth: 2, when: 'after', warmth: 'paused' },
  { call: 'hypervisor.ensurePower', nth: 3, when: 'before', warmth: 'paused' },
  { call: 'hypervisor.ensurePower', nth: 3, when: 'after', warmth: 'paused' },
  { call: 'dns.ensureAnswers', nth: 2, when: 'before' },
  { call: 'dns.ensureAnswers', nth: 2, when: 'after' },
  { call: 'hypervisor.ensureFenced', nth: 1, when: 'before' },
  { call: 'hypervisor.ensureFenced', nth: 1, when: 'after' },
  // What serves now is made to run and protected, another shadow is begun, and all of it is written down.
  { call: 'hypervisor.ensurePower', nth: 2, when: 'before' },
  { call: 'hypervisor.ensurePower', nth: 2, when: 'after' },
  { call: 'hypervisor.ensureMarked', nth: 2, when: 'before' },
  { call: 'hypervisor.ensureMarked', nth: 2, when: 'after' },
  { call: 'hypervisor.ensureShadow', nth: 2, when: 'before' },
  { call: 'hypervisor.ensureShadow', nth: 2, when: 'after' },
  { call: 'registry.save', nth: 1, when: 'after' },
  { call: 'registry.save', nth: 4, when: 'before' },
  { call: 'registry.save', nth: 4, when: 'after' },
];

export type EndState = {
  readonly phase: string;
  readonly serving: readonly string[];
  readonly answers: readonly string[];
  readonly generations: readonly number[];
  /** Clones per VMID: more than one is a second clone. */
  readonly clones: readonly string[];
  readonly oldPrimary: string;
  readonly newPrimaryProtected: boolean;
  readonly duplicateEvents: number;
};

/** One to begin with, one after the kill; more only when a busy machine makes a start fail. */
const mostStarts = 10;

/** What every run must end in, whenever the worker is killed. */
export const expectedEnd: EndState = {
  phase: 'probation',
  serving: ['shop/1'],
  answers: ['10.0.1.1'],
  generations: [1, 2],
  clones: ['clone 101 -> 9001', 'clone 101 -> 9002'],
  oldPrimary: 'stopped',
  newPrimaryProtected: true,
  duplicateEvents: 0,
};

/**
 * Runs a hosted VM from adoption into probation with its worker in another process, kills that process by SIGKILL at
 * the point given, starts another, and says where it all ended.
 */
export async function runKilledAt(env: TestWorkflowEnvironment, point: KillPoint | undefined): Promise<EndState> {
  const dir = mkdtempSync(join(tmpdir(), 'umbra-kill-'));
  const codePath = join(dir, 'workflows.cjs');
  const bundle = await bundleWithFakes();
  if (!('code' in bundle)) throw new Error('the bundle holds its code');
  writeFileSync(codePath, bundle.code);
  const stage = new Stage(env, specOf('shop'));
  const { world } = stage;
  world.hypervisor.cloneMs = 50;
  world.wanted = world.wanted.map((wanted) => ({ ...wanted, warmth: point?.warmth ?? wanted.warmth }));
  let seen = 0;
  let killed = point === undefined;
  let worker: ChildProcess | undefined;
  const serving = await serveWorld(world, (call, when) => {
    if (killed || point?.call !== call || point.when !== when) return;
    seen += 1;
    if (seen < point.nth) return;
    killed = true;
    worker?.kill('SIGKILL');
  });
  const begin = async (): Promise<ChildProcess> => {
    const child = startRemoteWorker(env.address, serving.url, codePath);
    worker = child.process;
    await eventually(
      'the worker',
      () => child.ready() || child.process.exitCode !== null || child.process.signalCode !== null,
      60_000,
    ).catch(() => undefined);
    return child.process;
  };
  const keepAlive = { on: true };
  // As a service manager would: a worker that ended is started again, but not for ever when there is no server any more.
  const alive = (async () => {
    for (let starts = 0; keepAlive.on && starts < mostStarts;) {
      const process = worker;
      if (process?.exitCode !== null || process.signalCode !== null) {
        starts += 1;
        await begin();
      } else await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    await stage.begin();
    await eventually('a warm shadow', () => world.views.get('shop')?.state === 'protected', 120_000);
    world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await eventually('DNS names the shadow', () => stage.answers().join() === '10.0.1.1', 60_000);
    await eventually('the old primary is fenced', () => world.hypervisor.guests.get(101)?.power === 'stopped', 60_000);
    await eventually('the new one is protected', () => world.hypervisor.guests.get(9001)?.protected === true, 90_000);
    await eventually(
      'the next shadow is warm',
      () => world.views.get('shop')?.instances.some(({ id, state }) => id === 'shop/2' && state.kind === 'warm'),
      120_000,
    );
    if (!killed) throw new Error(`never came to ${point?.call ?? ''} number ${point?.nth ?? 0}`);
    const state = await eventually('an answer of the new worker', () => stage.state().catch(() => undefined), 60_000);
    const { hypervisor, dns, events } = world;
    return {
      phase: state.phase.kind,
      serving: state.serving,
      answers: stage.answers(),
      generations: dns.answers.map(({ generation }) => generation),
      clones: hypervisor.calls.filter((call) => call.startsWith('clone')),
      oldPrimary: hypervisor.guests.get(101)?.power ?? 'gone',
      newPrimaryProtected: hypervisor.guests.get(9001)?.protected ?? false,
      duplicateEvents: events.length - new Set(events.map(({ id }) => id)).size,
    };
  } finally {
    await stage.end();
    keepAlive.on = false;
    await alive;
    worker?.kill('SIGKILL');
    await serving.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

function startRemoteWorker(
  address: string,
  world: string,
  codePath: string,
): { process: ChildProcess; ready: () => boolean } {
  const script = fileURLToPath(new URL('remote-worker.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, address, world, codePath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  return { process: child, ready: () => out.includes('ready') };
}
