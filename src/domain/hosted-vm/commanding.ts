import type { AskedCommand, Command, CommandArguments } from '../commands.ts';
import { refusalOf } from '../commands.ts';
import type { HostedVmState, Phase } from '../hosted-vm.ts';
import type { InstanceId } from '../instance.ts';
import type { Reason, Refusal } from '../reason.ts';
import { refuse } from '../reason.ts';
import { storageClassRules } from '../storage-class.ts';
import type { EpochMs } from '../time.ts';
import { dayMs, formatDuration } from '../time.ts';
import { readyToServe } from '../traffic.ts';
import { withEvent } from './chronicle.ts';
import { beginMove } from './deciding.ts';
import { servingTrouble } from './evidence.ts';
import { instanceOf, nameOf, trafficAfter } from './instances.ts';

/** Longest extension of a probation asked for at once: longer is a typing error. */
const longestExtensionMs = 30 * dayMs;

/** The table's answer, and what only the state can tell: is there a shadow to go to, a proposal to approve? */
export function refusalFor<C extends Command>(
  state: HostedVmState,
  command: C,
  asked: CommandArguments[C],
): Refusal | undefined {
  const byTable = refusalOf(command, state.phase, state.paused !== null);
  if (byTable !== undefined) return byTable;
  if (command === 'failover') return refusalOfFailover(state, (asked as CommandArguments['failover']).to);
  if (command === 'handBack') return refusalOfHandBack(state);
  if (command === 'extendProbation') return refusalOfExtension((asked as CommandArguments['extendProbation']).byMs);
  if (command === 'approve') return refusalOfApproval(state, (asked as CommandArguments['approve']).proposalId);
  return undefined;
}

function refusalOfFailover(state: HostedVmState, to: InstanceId | undefined): Refusal | undefined {
  const ready = readyToServe(state);
  if (to === undefined) {
    return ready.length > 0 ? undefined : refuse('no-shadow', 'no shadow is ready: there is nothing to fail over to');
  }
  if (ready.some(({ id }) => id === to)) return undefined;
  const others = ready.map(({ id }) => id).join(', ') || 'none';
  return refuse('not-ready', `${to} is not ready to serve; ready are: ${others}`);
}

function refusalOfHandBack({ phase, instances }: HostedVmState): Refusal | undefined {
  const former = phase.kind === 'probation' ? instances.find(({ id }) => id === phase.former) : undefined;
  if (former?.address !== undefined && former.state.kind !== 'deleted') return undefined;
  return refuse('no-former', 'the former primary is gone: there is nothing to hand back to');
}

function refusalOfExtension(byMs: number): Refusal | undefined {
  if (Number.isFinite(byMs) && byMs > 0 && byMs <= longestExtensionMs) return undefined;
  return refuse(
    'bad-extension',
    `an extension is longer than nothing and at most ${formatDuration(longestExtensionMs)}`,
  );
}

function refusalOfApproval(state: HostedVmState, proposalId: string | undefined): Refusal | undefined {
  const { phase, serving } = state;
  if (phase.kind !== 'needs-human') return undefined;
  const ready = new Set([...serving, ...readyToServe(state).map(({ id }) => id)]);
  const gone = phase.proposal?.to.find((id) => !ready.has(id));
  if (gone !== undefined) return refuse('not-ready', `${gone} was proposed and is not ready any more`);
  if (proposalId === undefined || phase.proposal?.id === proposalId) return undefined;
  const pending = phase.proposal === undefined ? 'nothing is proposed' : `${phase.proposal.id} is proposed now`;
  return refuse('other-proposal', `${proposalId} is not what waits for approval: ${pending}`);
}

/** What the operator reads at once; the rest follows in the timeline. */
export function acceptedText(state: HostedVmState, { command, with: asked }: AskedCommand): string {
  switch (command) {
    case 'failover':
      return `failing over ${state.spec.id}${asked.to === undefined ? '' : ` to ${asked.to}`}`;
    case 'extendProbation':
      return `probation of ${state.spec.id} is extended by ${formatDuration(asked.byMs)}`;
    case 'handBack':
      return `handing ${state.spec.id} back to its former primary`;
    case 'approve':
      return `approved for ${state.spec.id}`;
    case 'promote':
      return `${state.spec.id} is looked at again and promoted without waiting for the end of its probation`;
    case 'pause':
      return `${state.spec.id} is paused: nothing is touched until it is resumed`;
    case 'resume':
      return `${state.spec.id} is resumed`;
    case 'retire':
      return `Umbra lets go of ${state.spec.id}: its shadows are deleted, its answers stay`;
  }
}

/** Carries an accepted command out as far as the state goes; a move is only begun here. */
export function withCommand(state: HostedVmState, order: AskedCommand, now: EpochMs): HostedVmState {
  const { command, with: asked } = order;
  const { actor } = asked;
  // Asked in one phase, its turn in another: the table is asked again.
  const refused = refusalFor(state, command, asked);
  if (refused !== undefined) {
    return withEvent(state, now, 'command-lapsed', actor, refused.reason, { command, asked: asked.reason });
  }
  const reason: Reason = { code: command, text: asked.reason };
  const noted = withEvent(state, now, `asked-${command}`, actor, reason, { requestId: asked.requestId });
  switch (command) {
    case 'failover':
      return beginAskedFailover(noted, asked, actor, now);
    case 'handBack':
      return beginHandBack(noted, actor, reason, now);
    case 'approve':
      return approved(noted, actor, reason, now);
    case 'promote':
      return endProbationNow(noted, now);
    case 'extendProbation':
      return extended(noted, asked.byMs);
    case 'pause':
      return { ...noted, paused: { since: now, by: asked.actor, reason: asked.reason } };
    case 'resume':
      return { ...noted, paused: null, lookAgainAt: 0 };
    case 'retire':
      return { ...noted, paused: null, phase: { kind: 'retired', since: now } };
  }
}

function beginAskedFailover(
  state: HostedVmState,
  asked: CommandArguments['failover'],
  actor: string,
  now: EpochMs,
): HostedVmState {
  const ready = readyToServe(state);
  const named = ready.filter(({ id }) => id === asked.to);
  const to = named.length > 0 ? named : trafficAfter(state, { kind: 'asked' }).serving;
  const mustFence = !storageClassRules[state.spec.storageClass].severalMayRun;
  return beginMove(
    state,
    {
      motive: 'asked',
      to: to.map(({ id }) => id),
      fence: mustFence ? state.serving : [],
      fenceOrder: mustFence ? 'first' : 'none',
      reason: { code: 'asked', text: `${asked.reason} (moving to ${to.map(nameOf).join(' and ')})` },
      actor,
      explained: true,
      failedSinceMs: null,
      counts: false,
    },
    now,
  );
}

function beginHandBack(state: HostedVmState, actor: string, reason: Reason, now: EpochMs): HostedVmState {
  if (state.phase.kind !== 'probation') return state;
  const mustFence = !storageClassRules[state.spec.storageClass].severalMayRun;
  return beginMove(
    state,
    {
      motive: 'hand-back',
      to: [instanceOf(state, state.phase.former).id],
      fence: mustFence ? state.serving : [],
      fenceOrder: mustFence ? 'first' : 'none',
      reason,
      actor,
      explained: true,
      failedSinceMs: null,
      counts: false,
    },
    now,
  );
}

/** With a proposal: do it. Without: the human has seen it, the block is released and the day's count starts anew. */
function approved(state: HostedVmState, actor: string, reason: Reason, now: EpochMs): HostedVmState {
  if (state.phase.kind !== 'needs-human') return state;
  const { proposal, backTo } = state.phase;
  const released = { ...state, blockedUntil: 0, failoversAt: [], lookAgainAt: 0, trouble: null };
  if (proposal === undefined) return { ...released, phase: backTo ?? { kind: 'guarded', since: now } };
  const leaving = state.serving.filter((id) => !proposal.to.includes(id));
  const { severalMayRun, fenceOrder } = storageClassRules[state.spec.storageClass];
  const finding = servingTrouble(state)?.finding;
  return beginMove(
    released,
    {
      motive: finding ?? 'asked',
      to: proposal.to,
      fence: finding === 'failed' || !severalMayRun ? leaving : [],
      fenceOrder,
      reason: { code: 'approved', text: `${proposal.reason.text} (approved: ${reason.text})` },
      actor,
      explained: true,
      failedSinceMs: null,
      counts: false,
    },
    now,
  );
}

function endProbationNow(state: HostedVmState, now: EpochMs): HostedVmState {
  if (state.phase.kind !== 'probation') return state;
  return { ...state, phase: { ...state.phase, endsAt: now } };
}

function extended(state: HostedVmState, byMs: number): HostedVmState {
  if (state.phase.kind !== 'probation') return state;
  const phase: Phase = { ...state.phase, endsAt: state.phase.endsAt + byMs };
  return { ...state, phase };
}
