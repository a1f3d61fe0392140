import type { InstanceId } from './instance.ts';
import type { EpochMs } from './time.ts';
import type { VantageKind } from './vantage.ts';
import { vantageRules } from './vantage.ts';

/** `unknown` is no data: a third state, never failure. */
export type HealthFinding = 'healthy' | 'failed' | 'overloaded' | 'unknown';

/** A change of one instance's health as one vantage point sees it; also the payload of the `healthChanged` signal. */
export type HealthReport = {
  readonly instance: InstanceId;
  /** `health/<vantage>/<n>` without the prefix and shard: `north`, `south`, or `heartbeat`. */
  readonly vantage: string;
  readonly kind: VantageKind;
  readonly to: HealthFinding;
  /** Scheduled time of the monitor's attempt as the server gives it: a later attempt outranks an earlier one. */
  readonly epoch: number;
  /** Rises within an epoch. */
  readonly seq: number;
  readonly observedAtMs: EpochMs;
  /** When the first failing observation of this run began, for the latency figures. */
  readonly sinceMs: EpochMs;
  /** `no answer on 127.10.0.11:8080 for 3.1 s`. */
  readonly evidence: string;
};

/** `later` fences reports by (epoch, seq): lower or equal ones are ignored. */
export function isNewer(report: HealthReport, known: HealthReport | undefined): boolean {
  if (known === undefined) return true;
  return report.epoch > known.epoch || (report.epoch === known.epoch && report.seq > known.seq);
}

export type Verdict = {
  readonly finding: HealthFinding;
  /** How many vantage points say so, of how many that report anything but `unknown`. */
  readonly agree: number;
  readonly reporting: number;
  readonly sinceMs: EpochMs;
  readonly evidence: readonly string[];
};

/**
 * Quorum over the newest report of every vantage point about one instance.
 * A majority of the *reporting* points decides, and at least `least` must report (two unless only one exists).
 * Proxmox knowing that the node is off or the guest is stopped is a full vote, never a veto:
 * a guest that runs may still not answer. A guest that itself says it has more to do than it can is alive:
 * probes that find it silent are then votes for overload, and it must be helped, not fenced.
 */
export function verdictOf(reports: readonly HealthReport[], least: number): Verdict {
  const saysBusy = reports.some(({ kind, to }) => vantageRules[kind].isTheGuest && to === 'overloaded');
  const reporting = reports
    .filter(isVote)
    .map((report) =>
      saysBusy && vantageRules[report.kind].asksTheService && report.to === 'failed'
        ? { ...report, to: 'overloaded' as const }
        : report,
    );
  const verdictFor = (finding: HealthFinding): Verdict => {
    const agreeing = reporting.filter((report) => report.to === finding);
    return {
      finding,
      agree: agreeing.length,
      reporting: reporting.length,
      sinceMs: Math.min(...agreeing.map((report) => report.sinceMs)),
      evidence: agreeing.map((report) => `${report.vantage}: ${report.evidence}`),
    };
  };
  for (const finding of ['failed', 'overloaded', 'healthy'] as const) {
    const verdict = verdictFor(finding);
    if (verdict.agree >= least && verdict.agree * 2 > verdict.reporting) return verdict;
  }
  return { finding: 'unknown', agree: 0, reporting: reporting.length, sinceMs: 0, evidence: [] };
}

function isVote({ kind, to }: HealthReport): boolean {
  switch (to) {
    case 'unknown':
      return false;
    case 'healthy':
      return vantageRules[kind].asksTheService;
    case 'failed':
      return vantageRules[kind].maySayFailed;
    case 'overloaded':
      return true;
  }
}

/** How Proxmox's word that a node is off is written into evidence, and read from it: the failure is then the node's. */
export const nodeOfflineEvidence = (node: string): string => `node ${node} is offline`;

export function offlineNodeIn(evidence: readonly string[]): string | undefined {
  return evidence.map((line) => /(?:^|: )node (\S+) is offline$/.exec(line)?.[1]).find((node) => node !== undefined);
}
