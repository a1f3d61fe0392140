import type { HostedVmState, Move, Phase } from '../hosted-vm.ts';
import type { InstanceId, InstanceState } from '../instance.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { formatDuration, minuteMs, secondMs } from '../time.ts';
import { withEvent, withoutTrouble } from './chronicle.ts';
import { formerOf } from './deciding.ts';
import { withoutReportsOf } from './evidence.ts';
import { instanceOf, nameOf, withInstance, withInstanceState } from './instances.ts';
import { withProvisionFailure } from './standby.ts';

/** Resolvers keep an answer for its TTL; some round up to a minute. Browsers keep names for about a minute. */
const resolverFloorMs = minuteMs;

/** Forecasts are made anew this long after the answers have changed. */
const planAgainMs = 15 * secondMs;

/** When answers given until now have left the caches that keep to the TTL. */
export function drainedAfter(ttlSeconds: number, now: EpochMs): EpochMs {
  return now + 2 * Math.max(ttlSeconds * secondMs, resolverFloorMs);
}

/** DNS names the new serving set: roles of the day change, and probation opens unless the primary still serves. */
export function withAnswersChanged(
  state: HostedVmState,
  to: readonly InstanceId[],
  change: { readonly generation: number; readonly appliedAtMs: EpochMs },
  move: Move,
  cause: Reason,
  now: EpochMs,
): HostedVmState {
  const former = formerOf(state);
  let next: HostedVmState = {
    ...withoutTrouble(state),
    serving: to,
    generation: change.generation,
    detectedAt: null,
    lookAgainAt: 0,
    answersDueAt: null,
    drainedAt: drainedAfter(state.spec.ttlSeconds, now),
    // The plan was made for what served before. Others may be failing now: what can wait does not compete with them.
    nextEvaluationAt: now + planAgainMs,
  };
  for (const id of to) next = withInstanceState(next, id, { kind: 'serving', since: now });
  for (const id of move.from) {
    if (to.includes(id)) continue;
    next = withInstanceState(next, id, standingAside(next, id, move, now));
  }
  const names = to.map((id) => nameOf(instanceOf(next, id))).join(' and ');
  const addresses = to.map((id) => instanceOf(next, id).address ?? '?').join(' ');
  next = withEvent(
    next,
    now,
    'answer-changed',
    move.actor,
    { code: cause.code, text: `DNS names ${names}` },
    {
      generation: change.generation,
      addresses,
      to: to.join(' '),
      appliedAtMs: change.appliedAtMs,
      decidedToAnswerMs: change.appliedAtMs - move.decidedAtMs,
      detectedToDecidedMs: move.detectedAtMs === null ? null : move.decidedAtMs - move.detectedAtMs,
      failedToDetectedMs:
        move.failedSinceMs === null || move.detectedAtMs === null ? null : move.detectedAtMs - move.failedSinceMs,
      failedToAnswerMs: move.failedSinceMs === null ? null : change.appliedAtMs - move.failedSinceMs,
      explained: move.explained,
    },
  );
  if (to.includes(former)) return settleGuarded(next, move, now);
  return openProbation(next, former, cause, now);
}

/** What becomes of an instance that no longer serves: fenced ones are waited for, others stay warm or running. */
function standingAside(state: HostedVmState, id: InstanceId, move: Move, now: EpochMs): InstanceState {
  const instance = instanceOf(state, id);
  if (instance.state.kind === 'fenced') return instance.state;
  if (move.fence.includes(id)) {
    return { kind: 'failed', since: now, why: { code: 'failed-serving', text: 'failed while serving; being fenced' } };
  }
  // A primary that is left running keeps the state `serving` in the sense of able to serve: it can be handed back to.
  if (instance.role === 'primary') return { kind: 'serving', since: now };
  return { kind: 'warm', since: now, warmth: 'hot' };
}

function openProbation(state: HostedVmState, former: InstanceId, cause: Reason, now: EpochMs): HostedVmState {
  const { probationMs } = state.spec.policy;
  const phase: Phase = { kind: 'probation', since: now, endsAt: now + probationMs, former, cause };
  const text = `probation of ${formatDuration(probationMs)}: ${state.serving.join(' and ')} must serve well until it is promoted`;
  return withEvent(
    { ...state, phase, unhealthyAt: null },
    now,
    'probation-opened',
    'workflow',
    {
      code: 'probation',
      text,
    },
    { endsAt: phase.endsAt },
  );
}

function settleGuarded(state: HostedVmState, move: Move, now: EpochMs): HostedVmState {
  const guarded: HostedVmState = { ...state, phase: { kind: 'guarded', since: now } };
  if (move.backTo.kind !== 'probation') return guarded;
  const reason: Reason = {
    code: 'handed-back',
    text: 'the primary serves again; probation is over without a promotion',
  };
  return withEvent(guarded, now, 'handed-back', move.actor, reason);
}

/** What a human has to see to is not tried again at once. */
const givenUpAgainMs = 30 * secondMs;

/**
 * It could not be carried out: back to where it came from, and the reason stays visible. When only the chosen shadow
 * was to blame, nothing has moved, so it does not count, and the next shadow is tried at once.
 */
export function withMoveGivenUp(
  state: HostedVmState,
  move: Move,
  reason: Reason,
  now: EpochMs,
  unusable?: InstanceId,
): HostedVmState {
  const lookAgainAt = unusable === undefined ? now + givenUpAgainMs : now;
  let next: HostedVmState = { ...state, phase: move.backTo, trouble: reason, lookAgainAt };
  if (unusable !== undefined) {
    // The next shadow may be as bad: making one waits longer each time.
    next = withInstanceState(withProvisionFailure(withoutCount(next, move), now), unusable, {
      kind: 'failed',
      since: now,
      why: { code: reason.code, text: reason.text },
    });
  }
  return withEvent(next, now, 'move-given-up', 'workflow', reason, reason.facts);
}

function withoutCount(state: HostedVmState, { decidedAtMs, explained }: Move): HostedVmState {
  if (!state.failoversAt.includes(decidedAtMs)) return state;
  return {
    ...state,
    failoversAt: state.failoversAt.filter((at) => at !== decidedAtMs),
    blockedUntil: 0,
    failoverTokens: explained ? state.failoverTokens : state.failoverTokens + 1,
  };
}

/** Proof that an instance cannot serve any more. A shadow will not be handed back to: its disk is kept for a while. */
export function withFenced(state: HostedVmState, id: InstanceId, proof: string, now: EpochMs): HostedVmState {
  const instance = state.instances.find((other) => other.id === id);
  if (instance === undefined || state.serving.includes(id)) return state;
  const gone = instance.state.kind === 'deleted' || instance.state.kind === 'retired';
  // What was said of it before does not count any more: only a newer word would mean that it has returned.
  const silent = withoutReportsOf(state, id);
  const deleteAt = now + state.spec.policy.keepDiskMs;
  const next = gone
    ? silent
    : instance.role === 'primary'
      ? withInstanceState(silent, id, { kind: 'fenced', since: now, proof })
      : withInstance(silent, {
          ...instance,
          role: 'retired',
          state: { kind: 'retired', since: now, deleteAt, served: true },
        });
  const reason: Reason = { code: 'fenced', text: `${nameOf(instance)} cannot serve any more: ${proof}` };
  return withEvent(next, now, 'fenced', 'workflow', reason);
}

/** The same serving set, written again. */
export function withAnswersRestored(state: HostedVmState, generation: number, now: EpochMs): HostedVmState {
  const addresses = state.serving.map((id) => instanceOf(state, id).address ?? '?').join(' ');
  const reason: Reason = { code: 'answers-restored', text: `DNS names ${addresses} again at generation ${generation}` };
  return withEvent(
    { ...withoutTrouble(state), generation, answersDueAt: null },
    now,
    'answers-restored',
    'workflow',
    reason,
    {
      generation,
      addresses,
    },
  );
}
