import type { GuestRef, GuestView, PowerState } from '../../ports/hypervisor.ts';
import { isFailure, ProxmoxError } from './errors.ts';
import { ensureTrafficPasses } from './guest-firewall.ts';
import { live } from './guest.ts';
import { isManaged, requireHaCalm } from './ha.ts';
import type { Work } from './site.ts';
import { finished } from './tasks.ts';
import { Patience } from './writing.ts';

export type PowerCall = 'start' | 'resume' | 'pause' | 'hibernate' | 'shutdown' | 'stop';
type Step = PowerCall | 'done' | 'wait' | { readonly refused: string };

/** The next call on the way from one power state to another; what cannot be reached says why. */
export function nextPowerStep(now: PowerState, wanted: PowerState, managedByHa: boolean): Step {
  if (now === wanted) return 'done';
  switch (wanted) {
    case 'running':
      if (now === 'paused') return 'resume';
      // A hibernated guest is restored by starting it.
      return now === 'unknown' ? 'wait' : 'start';
    case 'paused':
      if (now === 'running') return 'pause';
      return now === 'unknown' ? 'wait' : 'start';
    case 'stopped':
      // Hibernated is as good as stopped: nothing runs, and starting it would only serve to stop it.
      if (now === 'suspended') return 'done';
      // A paused guest cannot hear a shutdown, a broken one would not answer.
      return now === 'running' ? 'shutdown' : 'stop';
    case 'suspended':
      if (managedByHa) return { refused: 'Proxmox does not hibernate guests that HA manages' };
      if (now === 'running' || now === 'paused') return 'hibernate';
      return now === 'stopped' ? { refused: 'it is stopped: there is nothing to hibernate' } : 'wait';
    case 'unknown':
      return { refused: 'unknown is not a state to bring a guest to' };
  }
}

/** Brings a guest to a power state and returns it as seen there. @throws ProxmoxError */
export async function ensurePower(work: Work, ref: GuestRef, wanted: PowerState): Promise<GuestView> {
  const patience = new Patience(work);
  const startedAt = work.waiting.now();
  let asked: PowerCall | undefined;
  for (;;) {
    const { view } = await live(work, ref);
    if (wanted === 'running' || wanted === 'paused') requireConfigured(view, wanted);
    const managed = isManaged(view.ha);
    const step = nextPowerStep(view.power, wanted, managed);
    // What a fence has cut off is to be reached again before it serves, also when it has run on all the time.
    if (wanted === 'running') await ensureTrafficPasses(work, view);
    if (step === 'done') return view;
    if (typeof step === 'object') throw refused(view, wanted, step.refused);
    const limitMs = managed ? work.timing.haMs : work.timing.powerMs + work.timing.shutdownSeconds * 1_000;
    if (work.waiting.now() - startedAt > limitMs) throw tooSlow(view, wanted, limitMs);
    // OK from HA means that it has heard us; until it acts there is nothing to ask again.
    if (step === 'wait' || (managed && step === asked)) {
      await work.waiting.pause(work.timing.lookMs);
      continue;
    }
    if (managed) await requireHaCalm(work, ref.vmid, view.ha ?? '');
    try {
      await carryOut(work, view, step);
      asked = step;
    } catch (error) {
      if (isFailure(error, 'already-done')) continue;
      // "qmstart can fail and yet start the VM": what counts is the state, so look once more before believing it.
      if (isFailure(error, 'permanent', 'capacity') && (await live(work, ref)).view.power === wanted) continue;
      await patience.after(error, 'not-found');
    }
  }
}

/** A half-made clone has its source's address, or none that leads to it: provisioning completes it, or it is deleted. */
function requireConfigured(view: GuestView, wanted: PowerState): void {
  if (view.marker?.unconfigured !== true) return;
  throw refused(view, wanted, 'it is a clone that was never configured; Umbra completes it or deletes it');
}

/** One call, followed to the end of its task. */
export async function carryOut(work: Work, view: GuestView, call: PowerCall): Promise<void> {
  const { node } = view;
  const { vmid } = view.ref;
  const upid = await send(work, view, call);
  await finished(work.calls, upid, { target: `VM ${vmid} on ${node}`, waiting: work.waiting, log: work.log });
}

async function send(work: Work, view: GuestView, call: PowerCall): Promise<string> {
  const { node } = view;
  const { vmid } = view.ref;
  switch (call) {
    case 'start':
      return await work.calls.start(node, vmid);
    case 'resume':
      return await work.calls.resume(node, vmid);
    case 'pause':
      return await work.calls.suspend(node, vmid, false);
    case 'hibernate':
      return await work.calls.suspend(node, vmid, true);
    case 'shutdown':
      return await work.calls.shutdown(node, vmid, work.timing.shutdownSeconds);
    case 'stop':
      return await stop(work, view);
  }
}

async function stop(work: Work, view: GuestView): Promise<string> {
  const { node } = view;
  const { vmid } = view.ref;
  if (isManaged(view.ha)) return await work.calls.stop(node, vmid, false);
  try {
    return await work.calls.stop(node, vmid, true);
  } catch (error) {
    // Somebody gave it to HA since we looked. Nothing was carried out.
    if (error instanceof ProxmoxError && 'overrule-shutdown' in error.errors)
      return await work.calls.stop(node, vmid, false);
    throw error;
  }
}

function refused(view: GuestView, wanted: PowerState, why: string): ProxmoxError {
  return new ProxmoxError({
    operation: `bring to ${wanted}`,
    target: `VM ${view.ref.vmid} on ${view.node}`,
    failureClass: 'invalid',
    message: why,
  });
}

function tooSlow(view: GuestView, wanted: PowerState, limitMs: number): ProxmoxError {
  return new ProxmoxError({
    operation: `bring to ${wanted}`,
    target: `VM ${view.ref.vmid} on ${view.node}`,
    failureClass: 'transient',
    message: `it is still ${view.power} after ${Math.round(limitMs / 1_000)} s${view.lock === undefined ? '' : ` (locked: ${view.lock})`}`,
  });
}
