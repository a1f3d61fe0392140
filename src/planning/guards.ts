import type { BreakerNews } from '../domain/cluster-messages.ts';
import type { Verdict } from '../domain/health.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Reason } from '../domain/reason.ts';
import { storageClassRules } from '../domain/storage-class.ts';
import type { EpochMs } from '../domain/time.ts';
import { dayMs, formatDuration, minuteMs, secondMs } from '../domain/time.ts';

/** More automatic moves than this in 24 h mean that moving does not help: a human must look. */
export const mostMovesPerDay = 2;

export type GuardInput = {
  readonly spec: HostedVmSpec;
  readonly verdict: Verdict;
  readonly quorum: number;
  readonly explained: boolean;
  readonly breaker: BreakerNews | null;
  readonly failoversAt: readonly EpochMs[];
  readonly blockedUntil: EpochMs;
  readonly failoverTokens: number;
  readonly now: EpochMs;
};

/** `ask`: only a human can open this guard. `hold`: time or the cluster opens it. */
export type GuardRefusal = {
  readonly kind: 'hold' | 'ask';
  readonly reason: Reason;
  readonly lookAgainInMs: number;
};

/**
 * May traffic move by itself now? The first guard that refuses is the answer; the safer rules come first:
 * storage class, quorum, breaker, moves of the day, block period, tokens.
 */
export function guardAutomaticMove(input: GuardInput): GuardRefusal | undefined {
  return (
    guardStorageClass(input) ??
    guardQuorum(input) ??
    guardBreaker(input) ??
    guardMovesOfTheDay(input) ??
    guardBlockPeriod(input) ??
    guardTokens(input)
  );
}

function guardStorageClass({ spec }: GuardInput): GuardRefusal | undefined {
  if (storageClassRules[spec.storageClass].movesByItself) return undefined;
  return ask('storage-class', `storage class ${spec.storageClass} never fails over by itself; a human decides`, {
    storageClass: spec.storageClass,
  });
}

function guardQuorum({ verdict, quorum }: GuardInput): GuardRefusal | undefined {
  if (verdict.agree >= quorum && verdict.agree * 2 > verdict.reporting) return undefined;
  const { agree, reporting } = verdict;
  return hold('no-quorum', `${agree} of ${reporting} vantage points agree, ${quorum} must`, 2 * secondMs, {
    agree,
    reporting,
    quorum,
  });
}

function guardBreaker({ breaker, explained }: GuardInput): GuardRefusal | undefined {
  if (breaker?.open !== true || explained) return undefined;
  return ask('breaker-open', `the cluster's breaker is open: ${breaker.reason.text}`, {});
}

function guardMovesOfTheDay({ failoversAt, now }: GuardInput): GuardRefusal | undefined {
  const moves = failoversAt.filter((at) => now - at < dayMs).length;
  if (moves < mostMovesPerDay) return undefined;
  return ask('too-many-moves', `${moves} automatic moves in 24 h, ${mostMovesPerDay} are allowed`, {
    moves,
    allowed: mostMovesPerDay,
  });
}

/** What the cluster itself says is dead does not flap: waiting with a shadow ready would only lengthen the outage. */
function guardBlockPeriod({ blockedUntil, explained, now }: GuardInput): GuardRefusal | undefined {
  const leftMs = blockedUntil - now;
  if (leftMs <= 0 || explained) return undefined;
  const text = `moved a moment ago: blocked for another ${formatDuration(leftMs)} unless a human approves`;
  return { ...ask('blocked', text, { leftMs }), lookAgainInMs: Math.min(leftMs, minuteMs) };
}

function guardTokens({ spec, failoverTokens, explained }: GuardInput): GuardRefusal | undefined {
  // Whoever only observes moves nothing.
  if (failoverTokens > 0 || explained || spec.policy.mode === 'observe') return undefined;
  return hold('no-tokens', 'the cluster has granted no failover token yet', 5 * secondMs, {});
}

function ask(code: string, text: string, facts: NonNullable<Reason['facts']>): GuardRefusal {
  return { kind: 'ask', reason: { code, text, facts }, lookAgainInMs: 30 * secondMs };
}

function hold(code: string, text: string, lookAgainInMs: number, facts: NonNullable<Reason['facts']>): GuardRefusal {
  return { kind: 'hold', reason: { code, text, facts }, lookAgainInMs };
}
