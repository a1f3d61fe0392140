import type { Fence } from '../../domain/fence.ts';
import type { GuestRef, GuestView } from '../../ports/hypervisor.ts';
import { isFailure, ProxmoxError } from './errors.ts';
import { ensureTrafficDropped, ensureTrafficPasses } from './guest-firewall.ts';
import { observed } from './guest.ts';
import { ensureHaIgnored, haFenceProof, isManaged } from './ha.ts';
import { heldBy } from './locks.ts';
import type { Rung } from './locks.ts';
import { carryOut } from './power.ts';
import type { Work } from './site.ts';
import { ensureConfig, remaining } from './writing.ts';

/*
 * Making certain that an instance cannot serve any more. Stopped and read back from its node is proof; a node recovered
 * by ha-manager is proof; silence is not. A guest that returns with its node is fenced like any other: it is asked for
 * again until it is stopped, and it does not start at boot any more. What somebody's lock keeps from being stopped is
 * isolated where Proxmox lets us (`locks.ts`), and asked for again until it is stopped.
 */

type Isolated = Fence & { readonly kind: 'isolated' };

// Two looks, apart: a start that was sent before our stop may still be carried out after it.
const secondLookMs = 700;
/** A guest that runs again after so many stops is started by somebody as often as we stop it. */
const stopsInVain = 3;
/** What is done for good measure once the proof is there does not keep anybody waiting for it. */
const afterwardsMs = 3_000;

export async function ensureFenced(work: Work, ref: GuestRef): Promise<Fence> {
  const found = await observed(work, ref.vmid);
  if (found === undefined) return stopped(`no node of ${work.spec.name} has VM ${ref.vmid}`);
  const { view } = found;
  const notIgnored = isManaged(view.ha) ? await ensureHaIgnored(work, ref.vmid) : undefined;
  if (!view.nodeOnline) return await fencedWithNode(work, view, notIgnored);
  return await ensureStopped(work, ref, notIgnored);
}

async function fencedWithNode(work: Work, view: GuestView, notIgnored: string | undefined): Promise<Fence> {
  const recovered = await haFenceProof(work, view.ref.vmid, view.node);
  if (recovered !== undefined) return stopped(recovered);
  const why = notIgnored === undefined ? '' : `; ${notIgnored}`;
  return {
    kind: 'unreachable',
    fenced: false,
    proof: `node ${view.node} is off or out of reach; VM ${view.ref.vmid} may still run there, nothing proves otherwise${why}`,
  };
}

async function ensureStopped(work: Work, ref: GuestRef, notIgnored: string | undefined): Promise<Fence> {
  const { waiting, timing } = work;
  const startedAt = waiting.now();
  let askedHaAt: number | undefined;
  let stops = 0;
  for (;;) {
    const found = await observed(work, ref.vmid);
    if (found === undefined) return stopped(`no node of ${work.spec.name} has VM ${ref.vmid} any more`);
    const { view } = found;
    if (!view.nodeOnline) return await fencedWithNode(work, view, notIgnored);
    if (isStill(view)) {
      if (!(await staysStopped(work, ref))) continue;
      await afterwards(work, view);
      return stopped(`stopped, read back from ${view.node}`);
    }
    // HA has heard us and acts in rounds: until it does there is nothing to ask again.
    const haHasHeard = isManaged(view.ha) && askedHaAt !== undefined && waiting.now() - askedHaAt < timing.haMs;
    if (view.power === 'running' && haHasHeard && view.lock === undefined) {
      await waiting.pause(timing.lookMs);
      continue;
    }
    const end = await climb(work, view);
    if (end.kind === 'isolated') return end;
    if (end.kind === 'done') {
      if (notIgnored !== undefined && isManaged(view.ha)) askedHaAt = waiting.now();
      stops += 1;
      // Whether it has stopped is for the next look to say; a guest that runs each time is started by somebody.
      if (stops < stopsInVain) continue;
    }
    if (end.kind === 'refused' && waiting.aborted()) throw end.error;
    const limitMs = askedHaAt === undefined || view.lock !== undefined ? timing.fenceMs : timing.haMs;
    if (waiting.now() - startedAt >= limitMs) {
      if (end.kind === 'refused' && !isFailure(end.error, 'locked', 'permanent')) throw end.error;
      return await held(work, view, end.kind === 'refused' ? String(end.error) : 'it is started again each time');
    }
    if (end.kind === 'refused') await waiting.pause(timing.lookMs);
  }
}

type End = Isolated | { readonly kind: 'done' } | { readonly kind: 'refused'; readonly error: unknown };

/** Tries what may work against the guest's lock, in order, until something does. @throws ProxmoxError when nothing further can */
async function climb(work: Work, view: GuestView): Promise<End> {
  let refusal: unknown;
  for (const rung of heldBy(view.lock).rungs) {
    try {
      const isolated = await step(work, view, rung);
      if (isolated !== undefined) return isolated;
      if (rung === 'stop') return { kind: 'done' };
    } catch (error) {
      // Its fate is open, or the guest has moved or gone: what counts is the next look.
      if (isFailure(error, 'ambiguous', 'transient', 'not-found', 'already-done', 'offline')) {
        return { kind: 'refused', error };
      }
      if (!isFailure(error, 'locked', 'permanent', 'capacity')) throw error;
      refusal = error;
    }
  }
  return { kind: 'refused', error: refusal };
}

async function step(work: Work, view: GuestView, rung: Rung): Promise<Isolated | undefined> {
  switch (rung) {
    case 'stop':
      await carryOut(work, view, 'stop');
      return undefined;
    case 'pause':
      return await ensureStandingStill(work, view);
    case 'drop-traffic':
      return await ensureCutOff(work, view);
  }
}

/** Paused, and seen so twice: it may be about to be resumed by whoever works on it. */
async function ensureStandingStill(work: Work, view: GuestView): Promise<Isolated> {
  const { ref, node } = view;
  if (!(await isPaused(work, view))) await carryOut(work, view, 'pause');
  for (let looks = 0; looks < 2; looks += 1) {
    if (looks > 0) await work.waiting.pause(secondLookMs);
    if (!(await isPaused(work, view))) throw resumed(view);
  }
  const lock = view.lock === undefined ? '' : ` while ${heldBy(view.lock).by} (lock "${view.lock}")`;
  return {
    kind: 'isolated',
    fenced: false,
    proof: `VM ${ref.vmid} is paused, read back twice from ${node}: it serves nobody and writes nothing${lock}`,
  };
}

/** Where it is not prepared, or cannot be switched on, this rung is as if it were not there. */
async function ensureCutOff(work: Work, view: GuestView): Promise<Isolated | undefined> {
  try {
    const proof = await ensureTrafficDropped(work, view);
    return proof === undefined ? undefined : { kind: 'isolated', fenced: false, proof };
  } catch (error) {
    work.log.warn({ vmid: view.ref.vmid }, `fence: its firewall could not be switched on: ${String(error)}`);
    return undefined;
  }
}

function resumed({ ref, node }: GuestView): ProxmoxError {
  return new ProxmoxError({
    operation: 'pause',
    target: `VM ${ref.vmid} on ${node}`,
    failureClass: 'locked',
    message: 'it does not stay paused',
  });
}

/** A guest that sleeps by its own doing is not paused: anybody on its network can wake it. */
async function isPaused(work: Work, { node, ref }: GuestView): Promise<boolean> {
  return (await work.calls.status(node, ref.vmid)).qmpstatus === 'paused';
}

/** Whose operation it is, and what to do if that does not end by itself. */
async function held(work: Work, { ref, node, lock }: GuestView, said: string): Promise<Fence> {
  const { by, mend } = heldBy(lock);
  const named = lock === undefined ? '' : ` (lock "${lock}")`;
  const why = lock === undefined ? `: ${said}` : '';
  const proof =
    `VM ${ref.vmid} runs on ${node} and could not be stopped for ${Math.round(work.timing.fenceMs / 1_000)} s: ` +
    `${by}${named}${await tasksOn(work, node, ref.vmid)}${why}. Umbra goes on asking. ` +
    `If that does not end by itself, on ${node}: ${mend(ref.vmid)}`;
  return { kind: 'held', fenced: false, proof };
}

/** What works on it now, as far as the token may see other people's tasks. */
async function tasksOn(work: Work, node: string, vmid: number): Promise<string> {
  try {
    const upids = (await work.calls.tasksOf(node, vmid, 'active')).map(({ upid }) => upid);
    return upids.length === 0 ? '' : `, by ${upids.join(', ')}`;
  } catch {
    return '';
  }
}

function stopped(proof: string): Fence {
  return { kind: 'stopped', fenced: true, proof };
}

function isStill({ power }: GuestView): boolean {
  return power === 'stopped' || power === 'suspended';
}

async function staysStopped(work: Work, ref: GuestRef): Promise<boolean> {
  await work.waiting.pause(secondLookMs);
  const found = await observed(work, ref.vmid);
  return found === undefined || isStill(found.view);
}

/** Best effort and after the proof: a stopped guest must not come back with its node. A lock may forbid to say so. */
async function afterwards(work: Work, view: GuestView): Promise<void> {
  const { vmid } = view.ref;
  const brief = { ...work, timing: { ...work.timing, lockedMs: afterwardsMs } };
  try {
    await ensureTrafficPasses(brief, view);
    await ensureConfig(brief, vmid, (config) => remaining({ onboot: '0', ...config }, { onboot: 0 }));
  } catch (error) {
    work.log.warn({ vmid }, `fence: it is stopped, but would start with its node: ${String(error)}`);
  }
}
