import type { AskedCommand } from '../commands.ts';
import type { Verdict } from '../health.ts';
import type { HostedVmState, Move, Phase, Probation } from '../hosted-vm.ts';
import type { Instance, InstanceId } from '../instance.ts';
import type { EpochMs } from '../time.ts';
import { hourMs, secondMs } from '../time.ts';
import type { ServingTrouble } from './evidence.ts';
import { returned, servingTrouble, verdictFor } from './evidence.ts';
import type { MoveOrder } from './deciding.ts';
import { shadowToLose } from './losing.ts';
import { instanceOf } from './instances.ts';
import { narrowingOf } from './narrowing.ts';
import { standbyDueAt } from './standby.ts';
import { tokensDueAt } from './tokens.ts';
import { wishesToTell } from './wishes.ts';

/** Name of work that runs beside the story, at most once at a time: `evaluate`, `project`, `reconcile`, `fence:shop/0`. */
export type SideWork = string;

export const sideWork = {
  evaluate: 'evaluate',
  project: 'project',
  reconcile: 'reconcile',
  fence: (id: InstanceId): SideWork => `fence:${id}`,
} as const;

export function isFence(name: SideWork): boolean {
  return name.startsWith(sideWork.fence(''));
}

/** What the story does next. Asked again after every step and every message. */
export type Step =
  | { readonly kind: 'adopt' }
  | { readonly kind: 'obey'; readonly order: AskedCommand }
  | { readonly kind: 'switch'; readonly phase: Phase & { kind: 'failing-over' }; readonly move: Move }
  | { readonly kind: 'look-again'; readonly trouble: ServingTrouble }
  | { readonly kind: 'recovered' }
  | { readonly kind: 'restore-answers' }
  | { readonly kind: 'look-before-promotion'; readonly phase: Probation }
  | { readonly kind: 'promote'; readonly phase: Phase & { kind: 'promoting' } }
  | { readonly kind: 'shadow-lost'; readonly instance: Instance; readonly verdict: Verdict }
  | { readonly kind: 'tell' }
  | { readonly kind: 'match-plan' }
  | { readonly kind: 'narrow'; readonly order: MoveOrder }
  | { readonly kind: 'ask-tokens' }
  | { readonly kind: 'fence'; readonly instance: Instance }
  | { readonly kind: 'evaluate' }
  | { readonly kind: 'reconcile' }
  | { readonly kind: 'let-go' }
  | { readonly kind: 'end' }
  | { readonly kind: 'wait'; readonly until: EpochMs; readonly why: string };

/**
 * One list, safest first: a pause stops everything but commands, also a move that was decided a moment before it was
 * asked for; a move that was decided is finished; operators come before findings, findings before probation, and all of them before the keeping of shadows and the reading of forecasts.
 */
export function nextStep(state: HostedVmState, now: EpochMs, busy: ReadonlySet<SideWork>): Step {
  const { phase } = state;
  if (phase.kind === 'retired') return nextOfRetired(state, busy);
  const pause = pauseAsked(state);
  if (pause !== undefined) return { kind: 'obey', order: pause };
  if (phase.kind === 'failing-over' && phase.move !== undefined && state.paused === null) {
    if (now >= state.lookAgainAt) return { kind: 'switch', phase, move: phase.move };
    return wait(state.lookAgainAt, 'another try');
  }
  const order = state.asked[0];
  if (order !== undefined) return { kind: 'obey', order };
  if (state.paused !== null) {
    return wishesToTell(state).length > 0 ? { kind: 'tell' } : wait(now + hourMs, 'paused: waits for resume');
  }
  if (phase.kind === 'adopting') {
    return now >= state.lookAgainAt ? { kind: 'adopt' } : wait(state.lookAgainAt, 'another try to adopt');
  }
  if (phase.kind === 'promoting') return { kind: 'promote', phase };
  return (
    findings(state, now) ??
    (now >= (state.answersDueAt ?? Infinity) ? ({ kind: 'restore-answers' } as const) : undefined) ??
    (phase.kind === 'probation' && now >= phase.endsAt
      ? ({ kind: 'look-before-promotion', phase } as const)
      : undefined) ??
    upkeep(state, now, busy) ??
    waitFor(state, now, busy)
  );
}

/** A pause that was accepted and has not had its turn yet. */
export function pauseAsked({ asked }: HostedVmState): AskedCommand | undefined {
  return asked.find(({ command }) => command === 'pause');
}

function nextOfRetired(state: HostedVmState, busy: ReadonlySet<SideWork>): Step {
  if (wishesToTell(state).length > 0) return { kind: 'tell' };
  if (state.generation !== null) return { kind: 'let-go' };
  if (busy.size > 0) return wait(Infinity, 'work beside the story to end');
  const going = state.instances.some(({ id }) => state.told[id]?.goal.kind === 'deleted');
  return going ? wait(Infinity, 'its shadows to be deleted') : { kind: 'end' };
}

function findings(state: HostedVmState, now: EpochMs): Step | undefined {
  const trouble = servingTrouble(state);
  if (trouble !== undefined) {
    return now >= lookDueAt(state, trouble) ? { kind: 'look-again', trouble } : undefined;
  }
  // `unknown` is no recovery: a blind monitor freezes things as they are.
  const well = state.serving.every((id) => verdictFor(state, id).finding === 'healthy');
  return state.detectedAt !== null && well ? { kind: 'recovered' } : undefined;
}

/** What was said of an instance before it was woken to serve is of yesterday; monitors say otherwise within this, or it is true. */
const yesterdayMs = 10 * secondMs;

/**
 * A failure is looked at as soon as it is found. An overload only once the last change of the answers has reached the
 * resolvers: until then nobody knows whether it has helped.
 */
function lookDueAt(state: HostedVmState, { finding, instances }: ServingTrouble): EpochMs {
  if (finding === 'overloaded') return Math.max(state.lookAgainAt, state.drainedAt);
  if (state.detectedAt !== null) return state.lookAgainAt;
  const fresh = state.reports.some(
    ({ instance, to, observedAtMs }) =>
      instances.includes(instance) && to === 'failed' && observedAtMs >= instanceOf(state, instance).state.since,
  );
  const since = Math.max(...instances.map((id) => instanceOf(state, id).state.since));
  return fresh ? 0 : since + yesterdayMs;
}

function upkeep(state: HostedVmState, now: EpochMs, busy: ReadonlySet<SideWork>): Step | undefined {
  const lost = shadowToLose(state);
  if (lost !== undefined) return { kind: 'shadow-lost', ...lost };
  if (wishesToTell(state).length > 0) return { kind: 'tell' };
  if ((standbyDueAt(state) ?? Infinity) <= now) return { kind: 'match-plan' };
  const narrowing = narrowingOf(state, now);
  if (narrowing !== undefined) return { kind: 'narrow', order: narrowing };
  const unfenced = instanceToFence(state, busy);
  if (unfenced !== undefined) return { kind: 'fence', instance: unfenced };
  if (now >= (tokensDueAt(state) ?? Infinity)) return { kind: 'ask-tokens' };
  if (now >= state.nextEvaluationAt && !busy.has('evaluate')) return { kind: 'evaluate' };
  if (state.generation !== null && now >= state.nextReconcileAt && !busy.has('reconcile')) return { kind: 'reconcile' };
  return undefined;
}

/** One that failed while serving and is not proved fenced yet, or one that was and answers again. */
function instanceToFence(state: HostedVmState, busy: ReadonlySet<SideWork>): Instance | undefined {
  if (state.generation === null) return undefined;
  const failed = state.instances.find(
    ({ id, state: own }) => own.kind === 'failed' && own.why.code === 'failed-serving' && !busy.has(sideWork.fence(id)),
  );
  if (failed !== undefined) return failed;
  const back = returned(state);
  return back === undefined || busy.has(sideWork.fence(back.id)) ? undefined : back;
}

function waitFor(state: HostedVmState, now: EpochMs, busy: ReadonlySet<SideWork>): Step {
  const { phase } = state;
  const ends: { until: EpochMs; why: string }[] = [];
  if (phase.kind === 'probation') ends.push({ until: phase.endsAt, why: 'the end of probation' });
  const trouble = servingTrouble(state);
  if (trouble !== undefined) ends.push({ until: lookDueAt(state, trouble), why: 'another look at the trouble' });
  if (!busy.has('evaluate')) ends.push({ until: state.nextEvaluationAt, why: 'the next evaluation' });
  if (!busy.has('reconcile') && state.generation !== null) {
    ends.push({ until: state.nextReconcileAt, why: 'the next comparison with Proxmox and DNS' });
  }
  if (state.answersDueAt !== null) ends.push({ until: state.answersDueAt, why: 'another try to write the answers' });
  const standbyAt = standbyDueAt(state);
  if (standbyAt !== undefined) ends.push({ until: standbyAt, why: 'the standby plan' });
  const tokensAt = tokensDueAt(state);
  if (tokensAt !== undefined) ends.push({ until: tokensAt, why: 'failover tokens' });
  ends.sort((left, right) => left.until - right.until);
  const first = ends[0];
  return first === undefined ? wait(now + hourMs, 'news') : wait(first.until, `news, or ${first.why}`);
}

function wait(until: EpochMs, why: string): Step {
  return { kind: 'wait', until, why };
}

/** No move, no promotion and no unanswered order: a good moment to continue as new. */
export function isQuiet(state: HostedVmState): boolean {
  const { kind } = state.phase;
  return state.asked.length === 0 && kind !== 'failing-over' && kind !== 'promoting' && kind !== 'retired';
}
