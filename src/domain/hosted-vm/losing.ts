import type { HealthReport, Verdict } from '../health.ts';
import { verdictOf } from '../health.ts';
import type { HostedVmState } from '../hosted-vm.ts';
import type { Instance, Warmth } from '../instance.ts';
import { isLost, lostCode } from '../instance.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { formatDuration, minuteMs } from '../time.ts';
import { vantageRules } from '../vantage.ts';
import { withEvent } from './chronicle.ts';
import { nameOf, withInstance, withInstanceState } from './instances.ts';

/** A lost shadow has this long to come back before another takes its place: a restart fits in it, a dead node does not. */
export const patienceMs = minuteMs;

/**
 * A warm shadow that a quorum finds failed. A paused one answers nobody, so Proxmox's word is enough: its node is off or
 * its guest has stopped. A stopped one says nothing at all; whether it starts shows when it is woken.
 */
export function shadowToLose(
  state: HostedVmState,
): { readonly instance: Instance; readonly verdict: Verdict } | undefined {
  for (const instance of state.instances) {
    const { id, role, state: own } = instance;
    if (role !== 'shadow' || own.kind !== 'warm' || state.serving.includes(id)) continue;
    // What was said before it was made ready, or ready again, is of yesterday.
    const reports = state.reports.filter(
      (report) => report.instance === id && (report.to !== 'failed' || report.observedAtMs > own.since),
    );
    const verdict = verdictOf(...votesOn(own.warmth, reports, state.quorum));
    if (verdict.finding === 'failed') return { instance, verdict };
  }
  return undefined;
}

function votesOn(
  warmth: Warmth,
  reports: readonly HealthReport[],
  quorum: number,
): [reports: readonly HealthReport[], least: number] {
  if (warmth === 'hot') return [reports, quorum];
  return [reports.filter(({ kind }) => warmth === 'paused' && vantageRules[kind].speaksForPaused), 1];
}

/** It does not stand ready any more; its workflow is asked to bring it back. */
export function withShadowLost(
  state: HostedVmState,
  instance: Instance,
  { agree, reporting, evidence }: Verdict,
  now: EpochMs,
): HostedVmState {
  const why = `failed at ${agree} of ${reporting} vantage points: ${evidence[0] ?? 'no answer'}`;
  const lost = withInstanceState(state, instance.id, {
    kind: 'failed',
    since: now,
    why: { code: lostCode, text: why },
  });
  return withLossNoted(lost, instance, why, now);
}

export function withLossNoted(state: HostedVmState, instance: Instance, why: string, now: EpochMs): HostedVmState {
  const patience = formatDuration(patienceMs);
  const reason: Reason = {
    code: lostCode,
    text: `${nameOf(instance)} does not stand ready any more (${why}); it is brought back or replaced in ${patience}`,
  };
  const facts = { instance: instance.id, vmid: instance.vmid ?? null, node: instance.node ?? null };
  return withEvent(state, now, 'shadow-lost', 'workflow', reason, facts);
}

/** When a lost shadow is given up. */
export function givenUpAt({ state }: Instance): EpochMs {
  return state.since + patienceMs;
}

/** It has not come back in time: no shadow any more, stopped and deleted once Proxmox lets us; another may be started. */
export function withLostGivenUp(state: HostedVmState, now: EpochMs): HostedVmState {
  let next = state;
  for (const instance of state.instances.filter((each) => isLost(each) && now >= givenUpAt(each))) {
    const retired: Instance = { ...instance, role: 'retired', state: { kind: 'retired', since: now, deleteAt: now } };
    const reason: Reason = {
      code: 'did-not-come-back',
      text: `${nameOf(instance)} did not come back in ${formatDuration(patienceMs)}; it is deleted once Proxmox reaches it`,
    };
    next = withEvent(withInstance(next, retired), now, 'shadow-given-up', 'workflow', reason, {
      instance: instance.id,
    });
  }
  return next;
}
