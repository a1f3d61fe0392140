import type { Command } from './commands.ts';
import { allowedIn, refusalOf } from './commands.ts';
import type { HostedVmState } from './hosted-vm.ts';
import { servingTrouble, verdictFor } from './hosted-vm/evidence.ts';
import { givenUpAt } from './hosted-vm/losing.ts';
import { instanceOf, nameOf, trafficAfter } from './hosted-vm/instances.ts';
import { nextStep } from './hosted-vm/next-step.ts';
import { isLost } from './instance.ts';
import { storageClassRules } from './storage-class.ts';
import type { EpochMs } from './time.ts';
import { formatDuration } from './time.ts';
import type { Explanation } from './view.ts';
import { sentenceOf } from './view-of.ts';

/** Why it is in this state, what it waits for, what it would do next, and which commands it takes now. */
export function explain(state: HostedVmState, now: EpochMs): Explanation {
  return {
    sentence: sentenceOf(state, now),
    why: whyOf(state),
    waitsFor: waitsForOf(state, now),
    next: nextOf(state),
    proposal: state.phase.kind === 'needs-human' ? (state.phase.proposal ?? null) : null,
    commands: commandsOf(state),
  };
}

function whyOf(state: HostedVmState): string[] {
  const why: string[] = [];
  const { phase } = state;
  if (phase.kind === 'probation' || phase.kind === 'failing-over') why.push(phase.cause.text);
  if (phase.kind === 'needs-human') why.push(phase.reason.text);
  if (state.trouble !== null) why.push(state.trouble.text);
  if (state.wouldHave !== null) why.push(state.wouldHave.text);
  for (const id of state.serving) {
    const verdict = verdictFor(state, id);
    if (verdict.finding === 'unknown') {
      why.push(`${nameOf(instanceOf(state, id))}: no quorum of vantage points reports (${verdict.reporting} report)`);
    } else {
      const { finding, agree, reporting } = verdict;
      why.push(`${nameOf(instanceOf(state, id))} is ${finding} at ${agree} of ${reporting} vantage points`);
    }
  }
  const { evaluation } = state;
  if (evaluation !== null) {
    const { risk, plan } = evaluation;
    const parts = risk.parts
      .map(({ points, text }) => `${text} (${points > 0 && points < 1 ? '<1' : Math.round(points)})`)
      .join('; ');
    const points = risk.score > 0 && risk.score < 0.01 ? 'below 1' : String(Math.round(risk.score * 100));
    why.push(`risk ${points} of 100${parts === '' ? '' : `: ${parts}`}`);
    if (risk.healthWeights !== undefined) why.push(risk.healthWeights);
    if (evaluation.modelReason !== undefined) why.push(`forecast by ${evaluation.modelReason}`);
    if (evaluation.capacityReason !== undefined) why.push(`capacity: ${evaluation.capacityReason}`);
    why.push(...plan.reasons.map(({ text }) => `standby plan: ${text}`));
  }
  if (state.breaker?.open === true) why.push(`the cluster's breaker is open: ${state.breaker.reason.text}`);
  return why;
}

function waitsForOf(state: HostedVmState, now: EpochMs): string[] {
  const step = nextStep(state, now, new Set(['evaluate', 'project', 'reconcile']));
  const waits: string[] = [];
  if (state.paused !== null) waits.push('resume');
  if (state.phase.kind === 'probation') {
    waits.push(`the end of probation in ${formatDuration(Math.max(0, state.phase.endsAt - now))}`);
  }
  if (state.phase.kind === 'needs-human') waits.push('approve, failover or retire by an operator');
  for (const instance of state.instances) {
    if (instance.state.kind === 'provisioning') waits.push(`${nameOf(instance)}: ${instance.state.step}`);
    if (isLost(instance)) {
      const left = formatDuration(Math.max(0, givenUpAt(instance) - now));
      waits.push(`${nameOf(instance)} to come back; it is replaced in ${left}`);
    }
    if (instance.state.kind === 'failed' && instance.state.why.code === 'failed-serving') {
      waits.push(`proof that ${nameOf(instance)} is fenced`);
    }
  }
  if (state.nextEvaluationAt > now)
    waits.push(`the next evaluation in ${formatDuration(state.nextEvaluationAt - now)}`);
  if (step.kind !== 'wait') waits.push(`its turn: ${step.kind}`);
  return waits;
}

function nextOf(state: HostedVmState): string[] {
  const { phase } = state;
  switch (phase.kind) {
    case 'adopting':
      return ['write marker, tag and ownership record, then guard it'];
    case 'probation': {
      const serving = state.serving.map((id) => nameOf(instanceOf(state, id))).join(' and ');
      return [
        `at the end of probation: look again, promote ${serving}, stop the former primary, delete its disk later`,
        ifFails(state),
      ];
    }
    case 'guarded':
    case 'needs-human':
      return [ifFails(state)];
    case 'failing-over':
      return ['change DNS, read it back, open probation'];
    case 'promoting':
      return ['mark the new primary, retire the old one'];
    case 'retired':
      return ['delete its shadows and end'];
  }
}

function ifFails(state: HostedVmState): string {
  const trouble = servingTrouble(state);
  const when = trouble === undefined ? `if ${servingWords(state)}` : `now that it is ${trouble.finding}`;
  const { storageClass } = state.spec;
  if (!storageClassRules[storageClass].movesByItself) {
    return `${when}: ask a human; storage class ${storageClass} never moves by itself`;
  }
  const motive =
    trouble?.finding === 'overloaded'
      ? ({ kind: 'overloaded' } as const)
      : ({ kind: 'failed', lost: trouble?.instances ?? state.serving } as const);
  const { serving } = trafficAfter(state, motive);
  const adds = serving.some(({ id }) => !state.serving.includes(id));
  if (!adds && trouble?.finding === 'overloaded') return `${when}: wait, because no shadow that would help is ready`;
  if (serving.length === 0) return `${when}: ask a human, because no shadow is ready`;
  const verb = { observe: 'record that it would move', approve: 'propose to move', act: 'move' }[
    state.spec.policy.mode
  ];
  return `${when}: ${verb} to ${serving.map(nameOf).join(' and ')}`;
}

function servingWords({ serving }: HostedVmState): string {
  return serving.length > 1 ? 'all that serve fail' : 'the serving instance fails';
}

function commandsOf(state: HostedVmState): Explanation['commands'] {
  const entries = (Object.keys(allowedIn) as Command[]).map((command) => {
    const refused = refusalOf(command, state.phase, state.paused !== null);
    return [
      command,
      refused === undefined ? { allowed: true } : { allowed: false, reason: refused.reason.text },
    ] as const;
  });
  return Object.fromEntries(entries) as Explanation['commands'];
}
