import { hostedVmWorkflowId } from '../cluster-messages.ts';
import type { FailoverNews, TokenRequest } from '../cluster-messages.ts';
import { assertNever } from '../reason.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { minuteMs, secondMs } from '../time.ts';
import type { Breaker } from './breaker.ts';
import { afterFailure, afterTime, closedBreaker, nextChangeAt } from './breaker.ts';
import { countMemoryTime } from './budget.ts';
import type { QueueStep } from './clone-queue.ts';
import { dropInstance, dropOverdue, endClone, requestClone } from './clone-queue.ts';
import { forgetHolder, isHeld, requestToken, spendToken } from './failover-tokens.ts';
import { leaseAdopted, leaseConfirmed, leaseReleased, leaseRequested, leasesAfter, placed, refuse } from './leasing.ts';
import type { ClusterSnapshot } from './snapshot.ts';
import type { ClusterMessage, ClusterState, ClusterStep, Outgoing } from './state.ts';

/** Older than this, the cluster is looked at again before anything is decided on it. */
export const staleMs = 10 * secondMs;
/** Without need the cluster is looked at this often, so that moves by others are noticed. */
export const refreshMs = 2 * minuteMs;
const failuresKept = 100;

/**
 * The bookkeeping of one cluster: what is true after a message, and what is to be said to whom. Time is an argument and
 * nothing is ever waited for in here.
 */
export function apply(now: EpochMs, before: ClusterState, message: ClusterMessage): ClusterStep {
  const aged = afterWaiting(now, before);
  const step = handled(now, aged.state, message);
  return { state: step.state, outgoing: [...aged.outgoing, ...step.outgoing] };
}

function handled(now: EpochMs, state: ClusterState, message: ClusterMessage): ClusterStep {
  switch (message.kind) {
    case 'leaseRequested':
      return leaseRequested(now, known(state, message.request.hostedVmId), message.request);
    case 'leaseConfirmed':
      return quiet(leaseConfirmed(state, message.news));
    case 'leaseReleased': {
      const freed = leaseReleased(now, state, message.news);
      return withQueue(freed, dropInstance(now, freed.clones, message.news.instance, freed.spec.clonesPerStorage));
    }
    case 'leaseAdopted':
      return quiet(leaseAdopted(now, known(state, message.lease.hostedVmId), message.lease));
    case 'cloneRequested':
      return withQueue(state, requestClone(now, state.clones, message.request, state.spec.clonesPerStorage));
    case 'cloneDone': {
      const { requestId, failed = false } = message.done;
      return withQueue(state, endClone(now, state.clones, requestId, failed, state.spec.clonesPerStorage));
    }
    case 'tokensRequested':
      return tokensRequested(now, known(state, message.request.hostedVmId), message.request);
    case 'failoverHappened':
      return failoverHappened(now, known(state, message.news.hostedVmId), message.news);
    case 'breakerReset':
      return withBreaker({ ...state, failures: [] }, closedBreaker, {
        code: 'breaker-reset',
        text: `${message.by} has closed the breaker.`,
      });
    case 'observed':
      return quiet(observed(state, message.snapshot));
    case 'placed':
      return placed(now, observed(state, message.snapshot), message.placements);
    case 'unobservable':
      return refuseWaiting(state, message.why);
    case 'specApplied':
      return quiet({ ...state, spec: message.spec });
    case 'undeliverable':
      return undeliverable(now, state, message.to);
    case 'timePassed':
      return quiet(state);
    default:
      return assertNever(message);
  }
}

/** Everything that time alone changes. */
function afterWaiting(now: EpochMs, before: ClusterState): ClusterStep {
  const counted = {
    ...before,
    memoryTime: countMemoryTime(now, before.spec, before.leases, before.memoryTime),
  };
  const leased = leasesAfter(now, counted);
  const cloning = withQueue(leased, dropOverdue(now, leased.clones, leased.spec.clonesPerStorage));
  const breaker = afterTime(now, cloning.state.breaker, cloning.state.failures);
  const reason = { code: `breaker-${breaker.kind}`, text: `The breaker is ${breaker.kind} after a time of quiet.` };
  const settled = withBreaker(cloning.state, breaker, reason);
  return { state: settled.state, outgoing: [...cloning.outgoing, ...settled.outgoing] };
}

/** When time alone will next change something, or the cluster is to be looked at. */
export function nextWakeAt(now: EpochMs, state: ClusterState): EpochMs {
  const observedAt = state.snapshot?.at ?? 0;
  const times = [
    Math.max(now, observedAt + refreshMs),
    ...state.leases.flatMap((one) => (one.expiresAt === null || one.expiresAt <= now ? [] : [one.expiresAt])),
    nextChangeAt(state.breaker, state.failures) ?? Infinity,
  ];
  return Math.min(...times);
}

/** The newest look wins for where guests are and what they are: somebody else may have moved or promoted them. */
function observed(state: ClusterState, snapshot: ClusterSnapshot): ClusterState {
  if (state.snapshot !== null && snapshot.at < state.snapshot.at) return state;
  const places = new Map(snapshot.guests.map((guest) => [guest.vmid, guest]));
  const leases = state.leases.map((lease) => {
    const place = places.get(lease.vmid);
    if (place === undefined) return lease;
    const role = place.role ?? lease.role;
    return place.node === lease.node && role === lease.role ? lease : { ...lease, node: place.node, role };
  });
  return { ...state, leases, snapshot };
}

function refuseWaiting(before: ClusterState, why: string): ClusterStep {
  let state: ClusterState = { ...before, waiting: [] };
  const outgoing: Outgoing[] = [];
  for (const request of before.waiting) {
    const step = refuse(state, request, {
      code: 'cluster-unreachable',
      text: `${state.spec.name} cannot be observed, so no place can be chosen: ${why}`,
    });
    state = step.state;
    outgoing.push(...step.outgoing);
  }
  return { state, outgoing };
}

function tokensRequested(now: EpochMs, state: ClusterState, request: TokenRequest): ClusterStep {
  const { spec, breaker, fleet } = state;
  const step = requestToken(now, state.tokens, request, { budget: spec.failovers, breaker, fleet: fleet.length });
  return {
    state: { ...state, tokens: step.tokens, breaker: step.breaker },
    outgoing: [{ to: request.replyTo, signal: 'failoverTokens', payload: step.grant }],
  };
}

function failoverHappened(now: EpochMs, state: ClusterState, news: FailoverNews): ClusterStep {
  const tokens = spendToken(now, state.tokens, news, state.spec.failovers);
  const repeated = state.failures.some((one) => one.hostedVmId === news.hostedVmId && one.at === news.at);
  if (news.explained || repeated) return quiet({ ...state, tokens });
  const { hostedVmId, at, node } = news;
  const failures = [...state.failures, { hostedVmId, at, node }].slice(-failuresKept);
  const breaker = afterFailure(now, state.breaker, failures, state.fleet.length);
  const reason =
    breaker.kind === 'open' ? breaker.reason : { code: 'breaker-canary', text: 'The first one has tried.' };
  return withBreaker({ ...state, tokens, failures }, breaker, reason);
}

/** Everybody hears of it when the breaker changes what they may do. */
function withBreaker(state: ClusterState, breaker: Breaker, reason: Reason): ClusterStep {
  const next = { ...state, breaker };
  if (breaker.kind === state.breaker.kind) return quiet(next);
  const outgoing = state.fleet.map((hostedVmId) => ({
    to: hostedVmWorkflowId(hostedVmId),
    signal: 'breakerChanged',
    payload: { open: isHeld(breaker, hostedVmId), reason },
  }));
  return { state: next, outgoing };
}

function withQueue(state: ClusterState, step: QueueStep): ClusterStep {
  return {
    state: { ...state, clones: step.queue },
    outgoing: step.turns.map((turn) => ({
      to: turn.replyTo,
      signal: 'cloneTurn',
      payload: { requestId: turn.requestId },
    })),
  };
}

/** Whoever cannot be reached has ended. What it never confirmed is free again; its guests are the sweep's business. */
function undeliverable(now: EpochMs, state: ClusterState, to: string): ClusterStep {
  const gone = state.fleet.filter((id) => hostedVmWorkflowId(id) === to);
  let next: ClusterState = {
    ...state,
    fleet: state.fleet.filter((id) => !gone.includes(id)),
    tokens: gone.reduce(forgetHolder, state.tokens),
    waiting: state.waiting.filter((one) => one.replyTo !== to),
  };
  const outgoing: Outgoing[] = [];
  for (const lease of state.leases.filter((one) => one.replyTo === to && one.expiresAt !== null)) {
    const freed = leaseReleased(now, next, lease);
    const step = withQueue(freed, dropInstance(now, freed.clones, lease.instance, freed.spec.clonesPerStorage));
    next = step.state;
    outgoing.push(...step.outgoing);
  }
  return { state: next, outgoing };
}

function known(state: ClusterState, hostedVmId: string): ClusterState {
  return state.fleet.includes(hostedVmId) ? state : { ...state, fleet: [...state.fleet, hostedVmId].sort() };
}

function quiet(state: ClusterState): ClusterStep {
  return { state, outgoing: [] };
}
