import type { Actor } from '../event.ts';
import { offlineNodeIn } from '../health.ts';
import type { HostedVmState, Move, Phase, Proposal } from '../hosted-vm.ts';
import type { InstanceId } from '../instance.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { dayMs } from '../time.ts';
import { withEvent, withoutTrouble, withTrouble } from './chronicle.ts';
import type { FailoverDecision, LookAgainResult } from './decision.ts';
import type { ServingTrouble } from './evidence.ts';
import { isExplained } from './evidence.ts';
import { primaryOf } from './instances.ts';

/** Shown while an observing hosted VM would have moved: looked at again this much later. */
const observedAgainMs = 60_000;

/** The quorum is there: from here the clock of the failover runs. */
export function withDetection(state: HostedVmState, trouble: ServingTrouble, now: EpochMs): HostedVmState {
  const unhealthyAt = trouble.finding === 'failed' ? now : state.unhealthyAt;
  if (state.detectedAt !== null) return { ...state, unhealthyAt };
  const { verdict, finding } = trouble;
  const reason: Reason = {
    code: `found-${finding}`,
    text: `${trouble.instances.join(', ')} ${finding} at ${verdict.agree} of ${verdict.reporting} vantage points`,
    facts: { agree: verdict.agree, reporting: verdict.reporting },
  };
  const node = offlineNodeIn(verdict.evidence);
  const cluster = state.instances.find(({ id }) => trouble.instances.includes(id))?.cluster;
  return withEvent({ ...state, unhealthyAt, detectedAt: now }, now, `${finding}-detected`, 'workflow', reason, {
    sinceMs: verdict.sinceMs,
    detectedAtMs: now,
    afterMs: now - verdict.sinceMs,
    evidence: verdict.evidence.join('; '),
    ...(node === undefined ? {} : { node, ...(cluster === undefined ? {} : { cluster }) }),
  });
}

/** Nothing is wrong any more: what was held or asked because of it is let go. */
export function withRecovery(state: HostedVmState, now: EpochMs): HostedVmState {
  if (state.detectedAt === null) return state;
  const recovered = withoutTrouble({ ...state, detectedAt: null, lookAgainAt: 0 });
  const reason: Reason = { code: 'recovered', text: 'the serving instance is healthy again; nothing was moved' };
  const noted = withEvent(recovered, now, 'recovered', 'workflow', reason);
  if (noted.phase.kind !== 'needs-human' || noted.phase.backTo === undefined) return noted;
  return { ...noted, phase: noted.phase.backTo };
}

/** What the look again decided becomes the next phase, by the policy's mode. */
export function withDecision(
  state: HostedVmState,
  trouble: ServingTrouble,
  { decision, inputsHash }: LookAgainResult,
  now: EpochMs,
): HostedVmState {
  if (decision.kind === 'hold') {
    return withTrouble({ ...state, lookAgainAt: now + decision.lookAgainInMs }, now, 'failover-held', decision.reason);
  }
  if (decision.kind === 'ask') {
    const asking = { ...state, lookAgainAt: now + decision.lookAgainInMs };
    if (state.spec.policy.mode === 'observe') return wouldHave(asking, decision, now);
    return askHuman(asking, decision.reason, decision.to, now);
  }
  const { mode } = state.spec.policy;
  if (mode === 'observe') return wouldHave(state, decision, now);
  if (mode === 'approve') {
    return askHuman({ ...state, lookAgainAt: now + observedAgainMs }, decision.reason, decision.to, now);
  }
  return beginMove(
    state,
    {
      motive: trouble.finding,
      to: decision.to,
      fence: decision.fence,
      fenceOrder: decision.fenceOrder,
      reason: decision.reason,
      actor: 'workflow',
      explained: trouble.instances.some((id) => isExplained(state, id)),
      failedSinceMs: trouble.verdict.sinceMs,
      counts: decision.counts,
      ...(inputsHash === undefined ? {} : { inputsHash }),
    },
    now,
  );
}

export type MoveOrder = {
  readonly motive: Move['motive'];
  readonly to: readonly InstanceId[];
  readonly fence: readonly InstanceId[];
  readonly fenceOrder: Move['fenceOrder'];
  readonly reason: Reason;
  readonly actor: Actor;
  readonly explained: boolean;
  readonly failedSinceMs: EpochMs | null;
  /** Counts against the day's moves, the block period and the tokens. */
  readonly counts: boolean;
  /** Of what an automatic move was decided on. */
  readonly inputsHash?: string;
};

/** The decision is taken: the phase says what is being done until DNS has changed. */
export function beginMove(state: HostedVmState, order: MoveOrder, now: EpochMs): HostedVmState {
  const backTo: Phase = state.phase.kind === 'needs-human' ? (state.phase.backTo ?? state.phase) : state.phase;
  const move: Move = {
    motive: order.motive,
    from: state.serving,
    fence: order.fence,
    fenceOrder: order.fenceOrder,
    actor: order.actor,
    failedSinceMs: order.failedSinceMs,
    detectedAtMs: state.detectedAt,
    decidedAtMs: now,
    explained: order.explained,
    backTo,
  };
  const automatic = order.counts && order.actor === 'workflow';
  const begun: HostedVmState = {
    ...withoutTrouble(state),
    phase: { kind: 'failing-over', since: now, to: order.to, cause: order.reason, move },
    failoversAt: automatic ? [...state.failoversAt.filter((at) => now - at < dayMs), now] : state.failoversAt,
    blockedUntil: automatic ? now + state.spec.policy.blockMs : state.blockedUntil,
    failoverTokens: automatic && !order.explained ? Math.max(0, state.failoverTokens - 1) : state.failoverTokens,
    wouldHave: null,
  };
  const decided = order.motive === 'hand-back' ? 'hand-back-decided' : 'failover-decided';
  return withEvent(begun, now, decided, order.actor, order.reason, {
    motive: order.motive,
    to: order.to.join(' '),
    from: state.serving.join(' '),
    detectedToDecidedMs: state.detectedAt === null ? null : now - state.detectedAt,
    failedToDecidedMs: order.failedSinceMs === null ? null : now - order.failedSinceMs,
    ...(order.inputsHash === undefined ? {} : { inputsHash: order.inputsHash }),
  });
}

/** Waits for a human, with a proposal when there is something to approve. The way back is kept. */
export function askHuman(state: HostedVmState, reason: Reason, to: readonly InstanceId[], now: EpochMs): HostedVmState {
  const backTo = state.phase.kind === 'needs-human' ? (state.phase.backTo ?? guardedSince(now)) : settled(state.phase);
  const action = to.some((id) => state.serving.includes(id)) ? 'share' : 'failover';
  const known = state.phase.kind === 'needs-human' ? state.phase : undefined;
  // Asked already: numbers and evidence may have moved, the question has not.
  if (to.length > 0 ? isSame(known?.proposal, action, to) : known?.reason.code === reason.code) return state;
  const proposal =
    to.length === 0 ? undefined : ({ id: `${state.spec.id}#${state.eventCount}`, action, to, reason } as const);
  const phase: Phase = {
    kind: 'needs-human',
    since: now,
    reason,
    backTo,
    ...(proposal === undefined ? {} : { proposal }),
  };
  return withEvent({ ...state, phase }, now, 'needs-human', 'workflow', reason, {
    proposal: proposal?.id ?? null,
    to: to.join(' '),
  });
}

function isSame(known: Proposal | undefined, action: Proposal['action'], to: readonly InstanceId[]): boolean {
  return known?.action === action && known.to.join() === to.join();
}

/** Observing keeps no shadows: without one to name it says what it would have looked for. */
function wouldHave(
  state: HostedVmState,
  { to, reason: why }: Pick<FailoverDecision & { kind: 'move' | 'ask' }, 'to' | 'reason'>,
  now: EpochMs,
): HostedVmState {
  const where = to.length === 0 ? 'a shadow; none is kept while only observing' : to.join(' and ');
  const reason: Reason = { code: 'would-fail-over', text: `would have moved to ${where}: ${why.text}` };
  const held = { ...state, wouldHave: reason, lookAgainAt: now + observedAgainMs };
  return state.wouldHave?.text.startsWith(`would have moved to ${where}`) === true
    ? held
    : withEvent(held, now, 'would-have', 'workflow', reason, { to: to.join(' ') });
}

/** A phase one can go back to. */
function settled(phase: Phase): Phase {
  return phase.kind === 'failing-over' ? (phase.move?.backTo ?? guardedSince(phase.since)) : phase;
}

function guardedSince(since: EpochMs): Phase {
  return { kind: 'guarded', since };
}

/** The primary of record, wherever traffic is now. */
export function formerOf(state: HostedVmState): InstanceId {
  return primaryOf(state)?.id ?? state.serving[0] ?? `${state.spec.id}/0`;
}
