import type { EpochMs } from '../time.ts';
import type { Breaker } from './breaker.ts';
import type { BudgetUse } from './budget.ts';
import { budgetUse } from './budget.ts';
import type { LossReport, NodeRoom } from './headroom.ts';
import { lossReports, rooms } from './headroom.ts';
import type { Lease, Quarantined } from './lease.ts';
import type { ClusterState } from './state.ts';

/** The answer of the `ledger` query: what is given out, what is left, and what a lost node would mean. */
export type LedgerView = {
  readonly cluster: string;
  readonly observedAt: EpochMs | null;
  readonly quorate: boolean | null;
  readonly leases: readonly Lease[];
  readonly quarantine: readonly Quarantined[];
  readonly waiting: readonly string[];
  readonly clones: {
    readonly waiting: number;
    readonly running: number;
    readonly limits: readonly { readonly storage: string; readonly limit: number }[];
  };
  readonly budget: BudgetUse;
  readonly nodes: readonly NodeRoom[];
  readonly ifLost: readonly LossReport[];
  readonly failovers: {
    readonly held: number;
    readonly spent: number;
    readonly limit: number;
    readonly windowMs: number;
  };
  readonly breaker: Breaker;
};

export function ledgerView(state: ClusterState): LedgerView {
  const { spec, snapshot, leases, clones, tokens } = state;
  return {
    cluster: spec.name,
    observedAt: snapshot?.at ?? null,
    quorate: snapshot?.quorate ?? null,
    leases,
    quarantine: state.quarantine,
    waiting: state.waiting.map((one) => one.instance),
    clones: {
      waiting: clones.waiting.length,
      running: clones.running.length,
      limits: clones.lanes.map(({ storage, limit }) => ({ storage, limit })),
    },
    budget: budgetUse(spec, leases, state.memoryTime),
    nodes: snapshot === null ? [] : rooms(snapshot, leases),
    ifLost: snapshot === null ? [] : lossReports(snapshot, leases),
    failovers: { held: tokens.held.length, spent: tokens.spent.length, ...spec.failovers },
    breaker: state.breaker,
  };
}

/** The state card in the Temporal UI. */
export function ledgerCard(view: LedgerView): string {
  const { budget, clones, failovers } = view;
  const nodes = view.nodes.map(
    (room) =>
      `| ${room.node} | ${room.usable ? 'yes' : 'no'} | ${memoryText(room)} | ` +
      `${room.committedCores} of ${room.vcpus ?? 'unknown'} |`,
  );
  const losses = view.ifLost
    .filter((report) => report.protectedVms > 0)
    .map((report) => `If ${report.node} were lost now, ${report.fit} of ${report.protectedVms} hosted VMs would fit.`);
  return [
    `### ${view.cluster}: ${budget.shadows} of ${budget.maxShadows} shadows, ${budget.memoryMiB} of ${budget.maxMemoryMiB} MiB`,
    '',
    `${view.waiting.length} requests wait for a place, ${clones.waiting} for their turn to clone (${clones.running} at work), ` +
      `${view.quarantine.length} numbers rest.`,
    '',
    `Failovers: ${failovers.spent} spent and ${failovers.held} reserved of ${failovers.limit}; the breaker is ${view.breaker.kind}.`,
    ...(nodes.length === 0
      ? []
      : ['', '| node | usable | free memory | vCPUs given out |', '|---|---|---|---|', ...nodes]),
    ...(losses.length === 0 ? [] : ['', ...losses]),
  ].join('\n');
}

function memoryText({ freeMiB, memoryMiB }: NodeRoom): string {
  return freeMiB === null || memoryMiB === null ? 'unknown' : `${Math.max(0, freeMiB)} of ${memoryMiB} MiB`;
}
