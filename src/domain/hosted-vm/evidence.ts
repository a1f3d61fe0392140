import type { HealthReport, Verdict } from '../health.ts';
import { isNewer, verdictOf } from '../health.ts';
import type { HostedVmState } from '../hosted-vm.ts';
import type { Instance, InstanceId } from '../instance.ts';
import { vantageRules } from '../vantage.ts';

/** Takes the waiting reports in: the newest of every vantage point counts, older ones are dropped. */
export function withReports(state: HostedVmState): HostedVmState {
  if (state.inbox.length === 0) return state;
  const known = new Map(state.reports.map((report) => [keyOf(report), report]));
  const ours = new Set(state.instances.map(({ id }) => id));
  for (const report of state.inbox) {
    if (ours.has(report.instance) && isNewer(report, known.get(keyOf(report)))) known.set(keyOf(report), report);
  }
  return { ...state, inbox: [], reports: [...known.values()] };
}

/** Reports of instances that are gone are of no use to anybody. */
export function withoutReportsOf(state: HostedVmState, instance: InstanceId): HostedVmState {
  return { ...state, reports: state.reports.filter((report) => report.instance !== instance) };
}

export function verdictFor(state: HostedVmState, instance: InstanceId): Verdict {
  return verdictOf(
    state.reports.filter((report) => report.instance === instance),
    state.quorum,
  );
}

/** Proxmox itself says that the node is off or the guest is stopped. */
export function isExplained(state: HostedVmState, instance: InstanceId): boolean {
  return state.reports.some(
    (report) => report.instance === instance && vantageRules[report.kind].explainsFailure && report.to === 'failed',
  );
}

export type ServingTrouble = {
  readonly finding: 'failed' | 'overloaded';
  readonly instances: readonly InstanceId[];
  readonly verdict: Verdict;
};

/** The worst trouble among the serving instances; failure outranks overload. */
export function servingTrouble(state: HostedVmState): ServingTrouble | undefined {
  const verdicts = state.serving.map((id) => ({ id, verdict: verdictFor(state, id) }));
  for (const finding of ['failed', 'overloaded'] as const) {
    const hit = verdicts.filter(({ verdict }) => verdict.finding === finding);
    const worst = hit[0];
    if (worst !== undefined) return { finding, instances: hit.map(({ id }) => id), verdict: worst.verdict };
  }
  return undefined;
}

/** An instance that was fenced or retired and answers again: a returning primary. */
export function returned(state: HostedVmState): Instance | undefined {
  return state.instances.find((instance) => {
    if (instance.state.kind !== 'fenced' && instance.state.kind !== 'retired') return false;
    const { since } = instance.state;
    return state.reports.some(
      (report) =>
        report.instance === instance.id &&
        vantageRules[report.kind].asksTheService &&
        report.to === 'healthy' &&
        report.observedAtMs > since,
    );
  });
}

function keyOf(report: HealthReport): string {
  return `${report.instance} ${report.vantage} ${report.kind}`;
}
