import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ClusterActivities } from '../activities/cluster.ts';
import { clusterSignals } from '../domain/cluster/signals.ts';
import type { LedgerView } from '../domain/cluster/ledger.ts';
import { ledgerCard, ledgerView } from '../domain/cluster/ledger.ts';
import { apply, nextWakeAt, refreshMs, staleMs } from '../domain/cluster/machine.ts';
import type { ClusterMessage, ClusterState, Outgoing } from '../domain/cluster/state.ts';
import { newCluster } from '../domain/cluster/state.ts';
import type {
  AdoptedLease,
  CloneDone,
  CloneRequest,
  FailoverNews,
  LeaseNews,
  LeaseRequest,
  TokenRequest,
} from '../domain/cluster-messages.ts';
import { taskQueues } from '../domain/cluster-messages.ts';
import type { ClusterSpec } from '../domain/inventory.ts';
import type { Accepted } from '../domain/commands.ts';
import { reasonOf } from './trouble.ts';

export const requestLeaseSignal = defineSignal<[LeaseRequest]>(clusterSignals.requestLease);
export const confirmLeaseSignal = defineSignal<[LeaseNews]>(clusterSignals.confirmLease);
export const releaseLeaseSignal = defineSignal<[LeaseNews]>(clusterSignals.releaseLease);
export const adoptLeaseSignal = defineSignal<[AdoptedLease]>(clusterSignals.adoptLease);
export const requestCloneSignal = defineSignal<[CloneRequest]>(clusterSignals.requestClone);
export const cloneDoneSignal = defineSignal<[CloneDone]>(clusterSignals.cloneDone);
export const requestFailoverTokensSignal = defineSignal<[TokenRequest]>(clusterSignals.requestFailoverTokens);
export const failoverHappenedSignal = defineSignal<[FailoverNews]>(clusterSignals.failoverHappened);
export const resetBreakerSignal = defineSignal<[{ readonly by: string }]>(clusterSignals.resetBreaker);
export const applyClusterUpdate = defineUpdate<Accepted, [ClusterSpec]>('applyCluster');
export const ledgerQuery = defineQuery<LedgerView>('ledger');

export type ClusterInput = {
  readonly spec: ClusterSpec;
  /** Carried over continue-as-new. */
  readonly carried?: { readonly state: ClusterState; readonly inbox: readonly ClusterMessage[] };
};

const act = proxyActivities<ClusterActivities>({
  taskQueue: taskQueues.provisioning,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '2 minutes',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
});

/** What one run holds besides the state: what has arrived, and what is under way. */
type Desk = {
  state: ClusterState;
  readonly inbox: ClusterMessage[];
  /** A look at the cluster is under way. */
  looking: boolean;
  /** After a failed look the next one waits, else nobody would rest. */
  lookAgainAt: number;
  sending: number;
};

/**
 * The bookkeeping of one cluster, for as long as it exists: the single allocator of its VMIDs and addresses. All
 * decisions are `apply`'s; here messages come in, looks are taken, and signals go out.
 */
export async function cluster(input: ClusterInput): Promise<void> {
  const desk: Desk = {
    state: input.carried?.state ?? newCluster(input.spec, Date.now()),
    inbox: [...(input.carried?.inbox ?? [])],
    looking: false,
    lookAgainAt: 0,
    sending: 0,
  };
  listen(desk);
  for (;;) {
    takeIn(desk);
    if (needsLook(desk)) void look(desk);
    setCurrentDetails(ledgerCard(ledgerView(desk.state)));
    if (workflowInfo().continueAsNewSuggested) return await carryOn(desk);
    const wakeMs = Math.max(100, wakeAt(desk) - Date.now());
    await condition(() => desk.inbox.length > 0, wakeMs, { summary: 'waits for requests' });
    if (desk.inbox.length === 0) desk.inbox.push({ kind: 'timePassed' });
  }
}

function listen(desk: Desk): void {
  const note = (message: ClusterMessage): void => void desk.inbox.push(message);
  setHandler(requestLeaseSignal, (request) => note({ kind: 'leaseRequested', request }));
  setHandler(confirmLeaseSignal, (news) => note({ kind: 'leaseConfirmed', news }));
  setHandler(releaseLeaseSignal, (news) => note({ kind: 'leaseReleased', news }));
  setHandler(adoptLeaseSignal, (lease) => note({ kind: 'leaseAdopted', lease }));
  setHandler(requestCloneSignal, (request) => note({ kind: 'cloneRequested', request }));
  setHandler(cloneDoneSignal, (done) => note({ kind: 'cloneDone', done }));
  setHandler(requestFailoverTokensSignal, (request) => note({ kind: 'tokensRequested', request }));
  setHandler(failoverHappenedSignal, (news) => note({ kind: 'failoverHappened', news }));
  setHandler(resetBreakerSignal, ({ by }) => note({ kind: 'breakerReset', by }));
  setHandler(ledgerQuery, () => ledgerView(desk.state));
  setHandler(
    applyClusterUpdate,
    (spec) => {
      note({ kind: 'specApplied', spec });
      return { kind: 'accepted', text: `${spec.name} is kept by the new revision from now on.` };
    },
    {
      validator: (spec: ClusterSpec) => {
        if (spec.name !== desk.state.spec.name) throw new Error(`this is ${desk.state.spec.name}, not ${spec.name}`);
      },
    },
  );
}

/** Everything that has arrived, in its order; answers leave at once. */
function takeIn(desk: Desk): void {
  for (const message of desk.inbox.splice(0)) {
    const step = apply(Date.now(), desk.state, message);
    desk.state = step.state;
    for (const outgoing of step.outgoing) void send(desk, outgoing);
  }
}

async function send(desk: Desk, { to, signal, payload }: Outgoing): Promise<void> {
  desk.sending += 1;
  try {
    await getExternalWorkflowHandle(to).signal(signal, payload);
  } catch (error) {
    reasonOf(error, `telling ${to} ${signal}`);
    desk.inbox.push({ kind: 'undeliverable', to });
  } finally {
    desk.sending -= 1;
  }
}

function needsLook(desk: Desk): boolean {
  if (desk.looking || Date.now() < desk.lookAgainAt) return false;
  return desk.state.waiting.length > 0 || Date.now() >= (desk.state.snapshot?.at ?? 0) + refreshMs;
}

/** One look serves everybody who waits for a place now. It stands in nobody's way: tokens and turns go on meanwhile. */
async function look(desk: Desk): Promise<void> {
  desk.looking = true;
  const { spec, leases, waiting } = desk.state;
  const interest = [...new Set([...leases.flatMap((one) => one.primaryVmid ?? []), ...waiting.flatMap(vmidsAround)])];
  try {
    if (waiting.length === 0) {
      const snapshot = await act.observeCluster({ spec, leases, interest });
      desk.inbox.push({ kind: 'observed', snapshot });
    } else {
      const found = await act.placeShadows({ spec, leases, interest, requests: waiting });
      desk.inbox.push({ kind: 'placed', ...found });
    }
  } catch (error) {
    desk.inbox.push({ kind: 'unobservable', why: reasonOf(error, `looking at ${spec.name}`).text });
    desk.lookAgainAt = Date.now() + staleMs;
  } finally {
    desk.looking = false;
  }
}

function vmidsAround(request: LeaseRequest): number[] {
  return request.awayFrom.map((one) => one.vmid);
}

function wakeAt(desk: Desk): number {
  const wake = nextWakeAt(Date.now(), desk.state);
  if (desk.looking) return Math.max(wake, Date.now() + staleMs);
  return desk.state.waiting.length > 0 ? desk.lookAgainAt : Math.max(wake, desk.lookAgainAt);
}

/** From the main function only, with nothing in flight; what has arrived meanwhile goes along. */
async function carryOn(desk: Desk): Promise<never> {
  await condition(() => desk.sending === 0 && !desk.looking && allHandlersFinished());
  return await continueAsNew<typeof cluster>({
    spec: desk.state.spec,
    carried: { state: desk.state, inbox: desk.inbox },
  });
}
