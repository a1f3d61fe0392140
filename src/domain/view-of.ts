import type { HostedVmState, Phase } from './hosted-vm.ts';
import { instanceOf, nameOf, standbys } from './hosted-vm/instances.ts';
import { verdictFor } from './hosted-vm/evidence.ts';
import type { HealthFinding } from './health.ts';
import { isLost } from './instance.ts';
import type { EpochMs } from './time.ts';
import { formatDuration } from './time.ts';
import { capacityOf } from './traffic.ts';
import type { DisplayState, HostedVmView } from './view.ts';

/** What lists, pages and the projection show: derived from the state, never stored apart from it. */
export function viewOf(state: HostedVmState, now: EpochMs): HostedVmView {
  const { spec } = state;
  return {
    id: spec.id,
    names: spec.names,
    storageClass: spec.storageClass,
    mode: spec.policy.mode,
    state: displayStateOf(state),
    sentence: sentenceOf(state, now),
    phase: withoutMove(state.phase),
    paused: state.paused,
    instances: state.instances,
    serving: state.serving,
    capacityQps: capacityOf(state.serving.map((id) => instanceOf(state, id))) || spec.capacityQps,
    evaluation: state.evaluation,
    generation: state.generation,
    probationEndsAt: state.phase.kind === 'probation' ? state.phase.endsAt : null,
    revision: state.revision,
    at: now,
  };
}

export function displayStateOf(state: HostedVmState): DisplayState {
  if (state.paused !== null) return 'paused';
  if (state.phase.kind !== 'guarded') return state.phase.kind;
  const ready = standbys(state);
  if (ready.some((instance) => instance.state.kind === 'warm')) return 'protected';
  return ready.length > 0 ? 'warming' : 'unprotected';
}

/** Health of the serving set in one word: the worst that is known. */
export function healthOf(state: HostedVmState): HealthFinding {
  const findings = state.serving.map((id) => verdictFor(state, id).finding);
  for (const finding of ['failed', 'overloaded', 'unknown'] as const) if (findings.includes(finding)) return finding;
  return findings.length === 0 ? 'unknown' : 'healthy';
}

/** One sentence that a tired operator reads first. */
export function sentenceOf(state: HostedVmState, now: EpochMs): string {
  const { phase, paused } = state;
  if (paused !== null) return `Paused by ${paused.by}: ${paused.reason}. Nothing is touched.`;
  const serving = state.serving.map((id) => nameOf(instanceOf(state, id))).join(' and ') || 'nobody yet';
  switch (phase.kind) {
    case 'adopting':
      return state.trouble === null ? 'The primary is being adopted.' : `Adopting waits: ${state.trouble.text}.`;
    case 'guarded':
      return `${capital(serving)} ${state.serving.length === 1 ? 'serves' : 'serve'}. ${standbySentence(state)}`;
    case 'failing-over': {
      const to = phase.to.map((id) => nameOf(instanceOf(state, id))).join(' and ');
      return `Moving to ${to}: ${phase.cause.text}.`;
    }
    case 'probation': {
      const former = state.instances.find(({ id }) => id === phase.former);
      const left = formatDuration(Math.max(0, phase.endsAt - now));
      const was = former === undefined ? 'the former primary' : nameOf(former);
      return `${capital(serving)} ${state.serving.length === 1 ? 'serves' : 'serve'} instead of ${was}; probation ends in ${left}.`;
    }
    case 'promoting':
      return `${capital(nameOf(instanceOf(state, phase.to)))} is being promoted.`;
    case 'needs-human':
      return `Waits for a human: ${phase.reason.text}.`;
    case 'retired':
      return `Umbra has let go; ${serving} goes on serving.`;
  }
}

function standbySentence(state: HostedVmState): string {
  if (state.generation === null && state.spec.policy.mode === 'observe') return 'Only observed: nothing is written.';
  const ready = standbys(state);
  const warm = ready.filter((instance) => instance.state.kind === 'warm');
  if (warm.length > 0)
    return `${capital(warm.map(nameOf).join(' and '))} ${warm.length === 1 ? 'stands' : 'stand'} ready.`;
  const lost = ready.filter(isLost);
  if (lost.length > 0)
    return `${capital(lost.map(nameOf).join(' and '))} ${lost.length === 1 ? 'is' : 'are'} lost and brought back or replaced.`;
  if (ready.length > 0)
    return `${capital(ready.map(nameOf).join(' and '))} ${ready.length === 1 ? 'is' : 'are'} being made ready.`;
  const why = state.evaluation?.plan.reasons[0]?.text;
  return why === undefined ? 'No shadow stands ready.' : `No shadow stands ready: ${why}.`;
}

/** The way back of a move is the workflow's own business. */
function withoutMove(phase: Phase): Phase {
  switch (phase.kind) {
    case 'failing-over': {
      const { kind, since, to, cause } = phase;
      return { kind, since, to, cause };
    }
    case 'needs-human': {
      const { kind, since, reason, proposal } = phase;
      return { kind, since, reason, ...(proposal === undefined ? {} : { proposal }) };
    }
    case 'adopting':
    case 'guarded':
    case 'probation':
    case 'promoting':
    case 'retired':
      return phase;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
