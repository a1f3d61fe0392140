import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { HostedVmState } from '../../src/domain/hosted-vm.ts';
import type { Instance, Warmth } from '../../src/domain/instance.ts';
import { minuteMs, secondMs } from '../../src/domain/time.ts';
import { serveWorld } from './remote-world.ts';
import { specOf } from './spec-of.ts';
import { bundleWithFakes, eventually, Stage } from './stage.ts';

/**
 * What is lived through once a shadow serves: nothing more, its promotion and the old primary's retirement and deletion,
 * or the way back. Calls are counted from where that begins.
 */
export type Chapter = 'failover' | 'promotion' | 'hand-back';

/** Where the worker dies: at the n-th call of this kind, before it takes effect or after, before the answer arrives. */
export type KillPoint = {
  readonly call: string;
  readonly nth: number;
  readonly when: 'before' | 'after';
  /** How the shadow is kept; hot unless told. */
  readonly warmth?: Warmth;
  /** `failover` unless told. */
  readonly chapter?: Chapter;
  /** Only calls about this guest are counted. */
  readonly vmid?: number;
};

export function nameOfPoint({ when, call, nth, warmth, chapter, vmid }: KillPoint): string {
  const parts = [chapter, when, call, vmid, nth, warmth];
  return parts.filter((part) => part !== undefined).join(' ');
}

/** Before the call takes effect, and after it has, before the answer arrives. */
function around(point: Omit<KillPoint, 'when' | 'nth'>): KillPoint[] {
  return [
    { ...point, nth: 1, when: 'before' },
    { ...point, nth: 1, when: 'after' },
  ];
}

/** Every await that touches the world: of a failover and the shadow's making before it, of what follows, and of the way back. */
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
  // Probation is over: a last look, the marker of the new primary, and the old one stopped and marked retired.
  { chapter: 'promotion', call: 'probes.probe', nth: 1, when: 'before' },
  { chapter: 'promotion', call: 'dns.observe', nth: 1, when: 'after' },
  ...around({ chapter: 'promotion', call: 'hypervisor.ensureMarked', vmid: 9001 }),
  // By the hosted VM first, then once more by the workflow of the guest itself.
  { chapter: 'promotion', call: 'hypervisor.ensureMarked', vmid: 9001, nth: 2, when: 'after' },
  ...around({ chapter: 'promotion', call: 'hypervisor.ensurePower', vmid: 101 }),
  ...around({ chapter: 'promotion', call: 'hypervisor.ensureMarked', vmid: 101 }),
  // Its disk has been kept long enough: stopped and marked once more, five guards, deletion.
  { chapter: 'promotion', call: 'hypervisor.ensureMarked', vmid: 101, nth: 2, when: 'before' },
  { chapter: 'promotion', call: 'hypervisor.ensureMarked', vmid: 101, nth: 2, when: 'after' },
  { chapter: 'promotion', call: 'workflows.hostedVmOf', nth: 1, when: 'after' },
  { chapter: 'promotion', call: 'probes.probe', nth: 2, when: 'after' },
  ...around({ chapter: 'promotion', call: 'hypervisor.ensureDeleted', vmid: 101 }),
  // An operator hands back: the former primary is woken and looked at, named, protected; the shadow stands by again.
  ...around({ chapter: 'hand-back', call: 'hypervisor.ensurePower', vmid: 101 }),
  { chapter: 'hand-back', call: 'probes.probe', nth: 1, when: 'after' },
  ...around({ chapter: 'hand-back', call: 'dns.ensureAnswers' }),
  ...around({ chapter: 'hand-back', call: 'hypervisor.ensureMarked', vmid: 101 }),
  ...around({ chapter: 'hand-back', call: 'hypervisor.ensureMarked', vmid: 9001 }),
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
  readonly deletions: readonly string[];
  readonly duplicateEvents: number;
};

/** One to begin with, one after the kill; more only when a busy machine makes a start fail. */
const mostStarts = 10;

const afterFailover: EndState = {
  phase: 'probation',
  serving: ['shop/1'],
  answers: ['10.0.1.1'],
  generations: [1, 2],
  clones: ['clone 101 -> 9001', 'clone 101 -> 9002'],
  oldPrimary: 'stopped',
  newPrimaryProtected: true,
  deletions: [],
  duplicateEvents: 0,
};

/** What every run must end in, whenever the worker is killed. */
const expectedEnds: Readonly<Record<Chapter, EndState>> = {
  failover: afterFailover,
  promotion: { ...afterFailover, phase: 'guarded', oldPrimary: 'gone', deletions: ['delete 101'] },
  'hand-back': {
    ...afterFailover,
    phase: 'guarded',
    serving: ['shop/0'],
    answers: ['10.0.0.11'],
    generations: [1, 2, 3],
    oldPrimary: 'running',
    newPrimaryProtected: false,
  },
};

export function expectedEndOf({ chapter = 'failover' }: KillPoint): EndState {
  return expectedEnds[chapter];
}

/**
 * Runs a hosted VM from adoption into probation, and through the chapter of the point given, with its worker in another
 * process; kills that process by SIGKILL at the point, starts another, and says where it all ended.
 */
export async function runKilledAt(env: TestWorkflowEnvironment, point: KillPoint): Promise<EndState> {
  const dir = mkdtempSync(join(tmpdir(), 'umbra-kill-'));
  const codePath = join(dir, 'workflows.cjs');
  const bundle = await bundleWithFakes();
  if (!('code' in bundle)) throw new Error('the bundle holds its code');
  writeFileSync(codePath, bundle.code);
  const { chapter = 'failover' } = point;
  const stage = new Stage(env, chapter === 'promotion' ? soonPromoted : specOf('shop'));
  const { world } = stage;
  world.hypervisor.cloneMs = 50;
  world.wanted = world.wanted.map((wanted) => ({ ...wanted, warmth: point.warmth ?? wanted.warmth }));
  const watch = { armed: chapter === 'failover', seen: 0, killed: false };
  const arm = (): void => {
    watch.armed = true;
  };
  let worker: ChildProcess | undefined;
  const serving = await serveWorld(world, (call, when, vmid) => {
    if (!watch.armed || watch.killed || point.call !== call || point.when !== when) return;
    if (point.vmid !== undefined && point.vmid !== vmid) return;
    watch.seen += 1;
    if (watch.seen < point.nth) return;
    watch.killed = true;
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
    await chapters[chapter](stage, arm);
    if (!watch.killed) throw new Error(`never came to ${nameOfPoint(point)}`);
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
      deletions: hypervisor.calls.filter((call) => call.startsWith('delete')),
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

/** What follows once the hosted VM is in probation with another shadow ready. `arm` begins the counting of calls. */
const chapters: Readonly<Record<Chapter, (stage: Stage, arm: () => void) => Promise<void>>> = {
  failover: () => Promise.resolve(),
  async promotion(stage, arm) {
    const { hypervisor } = stage.world;
    await until(stage, 'the proof of the fence', ({ instances }) => instances[0]?.state.kind === 'fenced', patientlyMs);
    await stage.report('shop/1', 'healthy');
    arm();
    await until(stage, 'promotion', ({ phase }) => phase.kind === 'guarded', drainedMs + patientlyMs);
    await eventually('the old primary is deleted', () => !hypervisor.guests.has(101), patientlyMs);
    await until(stage, 'it is forgotten', ({ instances }) => !instances.some(({ id }) => id === 'shop/0'), patientlyMs);
    await eventually(
      'the new one is marked',
      () => hypervisor.guests.get(9001)?.marker?.role === 'primary',
      patientlyMs,
    );
    await eventually('it is written down', () => stage.world.kinds().includes('promoted'), patientlyMs);
  },
  async 'hand-back'(stage, arm) {
    const { hypervisor } = stage.world;
    await until(stage, 'the proof of the fence', ({ instances }) => instances[0]?.state.kind === 'fenced', patientlyMs);
    hypervisor.guests.get(101)!.crashed = false;
    arm();
    await stage.command('handBack');
    await eventually('DNS names the primary again', () => stage.answers().join() === '10.0.0.11', patientlyMs);
    await eventually('it is protected', () => hypervisor.guests.get(101)?.protected === true, patientlyMs);
    await eventually('the shadow is not', () => hypervisor.guests.get(9001)?.protected === false, patientlyMs);
    await until(stage, 'both shadows stand by', ({ instances }) => standing(instances) === 2, patientlyMs);
  },
};

/** No promotion before the caches are empty, which takes two minutes whatever the TTL. */
const drainedMs = 2 * minuteMs;
const soonPromoted = specOf('shop', {
  policy: { ...specOf('shop').policy, probationMs: drainedMs + secondMs, keepDiskMs: 5 * secondMs },
});

/** A killed worker's work is noticed when its time-out ends, which is half a minute for marks and looks. */
const patientlyMs = 120_000;

/** As `stage.until`, also while no worker is there to answer. */
function until(
  stage: Stage,
  what: string,
  holds: (state: HostedVmState) => boolean,
  withinMs: number,
): Promise<unknown> {
  const look = async (): Promise<boolean> => {
    const state = await stage.state().catch(() => undefined);
    return state !== undefined && holds(state);
  };
  return eventually(what, look, withinMs);
}

function standing(instances: readonly Instance[]): number {
  return instances.filter(({ role, state }) => role === 'shadow' && state.kind === 'warm').length;
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
