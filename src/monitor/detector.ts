import type { HealthFinding } from '../domain/health.ts';
import type { HealthCheck } from '../domain/policy.ts';
import type { EpochMs } from '../domain/time.ts';
import type { ProbeOutcome } from '../ports/prober.ts';

/** One probe, by the moment it was sent: slow results arrive after faster, later ones. */
export type Seen = {
  readonly at: EpochMs;
  readonly outcome: ProbeOutcome;
  readonly latencyMs: number;
  readonly detail: string;
};

export type DetectorPolicy = {
  /** Failed: this many failures among the last `of` probes. `of = count` means one after the other. */
  readonly failures: { readonly count: number; readonly of: number };
  /** Healthy again after this many good probes one after the other: slower than down, so that nothing flaps. */
  readonly recoveries: number;
  /** Overloaded: this many of the last `of` probes answered, but later than `ms`. */
  readonly slow: { readonly ms: number; readonly count: number; readonly of: number };
  /** No longer overloaded: this many good probes one after the other below `calmShare` of the limit. */
  readonly calm: number;
};

export type Finding = {
  readonly finding: HealthFinding;
  /** When the first observation that led here began. */
  readonly sinceMs: EpochMs;
  readonly evidence: string;
};

export type DetectorState = Finding & {
  /** Sorted by `at`, the newest last; bounded. */
  readonly recent: readonly Seen[];
  /** What it was before it became unknown: a failed instance must still recover slowly. */
  readonly before: HealthFinding;
};

/** A service that hovers around the limit must not report at every probe. */
const calmShare = 0.7;

export function policyOf(check: HealthCheck): DetectorPolicy {
  return {
    failures: { count: check.failures, of: check.failures },
    recoveries: Math.max(3, check.failures),
    slow: { ms: check.slowMs ?? check.timeoutMs / 2, count: 4, of: 5 },
    calm: 5,
  };
}

export function unknownSince(
  at: EpochMs,
  before: HealthFinding = 'unknown',
  evidence = 'nothing seen yet',
): DetectorState {
  return { finding: 'unknown', sinceMs: at, evidence, recent: [], before };
}

function longestMemory(policy: DetectorPolicy): number {
  return Math.max(policy.failures.of, policy.recoveries, policy.slow.of, policy.calm);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** Enough failures among the last probes, the newest of them a failure. */
function failureIn(recent: readonly Seen[], policy: DetectorPolicy): Finding | undefined {
  const failed = recent.slice(-policy.failures.of).filter((seen) => seen.outcome !== 'ok');
  const newest = recent.at(-1);
  const first = failed.at(0);
  if (first === undefined || newest === undefined || newest.outcome === 'ok') return undefined;
  if (failed.length < policy.failures.count) return undefined;
  const lasted = newest.at + newest.latencyMs - first.at;
  return { finding: 'failed', sinceMs: first.at, evidence: `${newest.detail} for ${seconds(lasted)}` };
}

function overloadIn(recent: readonly Seen[], policy: DetectorPolicy): Finding | undefined {
  const slow = recent.slice(-policy.slow.of).filter((seen) => seen.outcome === 'ok' && seen.latencyMs > policy.slow.ms);
  const [first] = slow;
  if (first === undefined || slow.length < policy.slow.count) return undefined;
  const slowest = Math.max(...slow.map((seen) => seen.latencyMs));
  const evidence = `answers take up to ${Math.round(slowest)} ms, ${policy.slow.ms} ms are allowed`;
  return { finding: 'overloaded', sinceMs: first.at, evidence };
}

/** The last `count` probes, when there are as many and all were good. */
function goodRun(recent: readonly Seen[], count: number, limitMs: number): Finding | undefined {
  const run = recent.slice(-count);
  const [first] = run;
  if (first === undefined || run.length < count) return undefined;
  if (run.some((seen) => seen.outcome !== 'ok' || seen.latencyMs > limitMs)) return undefined;
  const evidence = `${run.at(-1)?.detail ?? ''} in ${Math.round(run.at(-1)?.latencyMs ?? 0)} ms`;
  return { finding: 'healthy', sinceMs: first.at, evidence };
}

/** The finding the newest probe leads to, if it leads to another one. */
function nextFinding(state: DetectorState, recent: readonly Seen[], policy: DetectorPolicy): Finding | undefined {
  const current = state.finding === 'unknown' ? state.before : state.finding;
  const failure = failureIn(recent, policy);
  if (failure !== undefined) return failure;
  switch (current) {
    case 'failed':
      return goodRun(recent, policy.recoveries, Infinity);
    case 'overloaded':
      return goodRun(recent, policy.calm, policy.slow.ms * calmShare);
    case 'healthy':
    case 'unknown':
      return overloadIn(recent, policy) ?? goodRun(recent, 1, Infinity);
  }
}

/** The last good probe of the canary: when it began, and how long it took. */
export type Sight = { readonly at: EpochMs; readonly latencyMs: number };

/** Whoever has no canary believes himself. */
export const clearSight: Sight = { at: Infinity, latencyMs: 0 };

/**
 * A failure is only believed when the canary was seen after the failing began, otherwise it may be us who are cut off;
 * slowness only when the canary is quick, otherwise it may be us who are slow.
 */
function believed(finding: Finding, policy: DetectorPolicy, sight: Sight): boolean {
  if (finding.finding === 'failed') return sight.at >= finding.sinceMs;
  if (finding.finding === 'overloaded') return sight.latencyMs <= policy.slow.ms * calmShare;
  return true;
}

/** Takes one more probe into account. Pure. */
export function judge(state: DetectorState, policy: DetectorPolicy, seen: Seen, sight: Sight): DetectorState {
  const recent = [...state.recent, seen].sort((a, b) => a.at - b.at).slice(-longestMemory(policy));
  const next = nextFinding(state, recent, policy);
  if (next === undefined || next.finding === state.finding) return { ...state, recent };
  if (!believed(next, policy, sight)) return { ...state, recent };
  return { ...next, recent, before: next.finding };
}

const worstFirst: readonly HealthFinding[] = ['failed', 'overloaded', 'unknown', 'healthy'];

/** One finding out of an instance's checks: the worst, and `healthy` only when all are. */
export function worst(findings: readonly Finding[]): Finding {
  for (const each of worstFirst) {
    const found = findings.find((finding) => finding.finding === each);
    if (found !== undefined) return found;
  }
  return { finding: 'unknown', sinceMs: 0, evidence: 'no health check' };
}
