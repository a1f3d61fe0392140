import type { FailoverNews } from '../cluster-messages.ts';
import type { Reason } from '../reason.ts';
import { formatDuration, minuteMs } from '../time.ts';
import type { EpochMs } from '../time.ts';

/** So many unexplained failures together are no coincidence: the fault is in what they share, or in our own eyes. */
const leastToTrip = 3;
const shareToTrip = 0.1;
const togetherMs = 2 * minuteMs;
/** Quiet so long, one hosted VM may try. */
const quietMs = 10 * minuteMs;
/** The canary has gone well when nothing unexplained followed it for so long. */
const canaryMs = 2 * minuteMs;

/**
 * Failures are explained when the quorate cluster itself says that their node is dead: in a cluster of three that is a
 * third of the fleet, and exactly what failover is for. Only the others count here.
 */
export type Breaker =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly since: EpochMs; readonly reason: Reason }
  /** One hosted VM may fail over; `canaryAt` is set once it has. */
  | {
      readonly kind: 'half-open';
      readonly since: EpochMs;
      readonly canary: string | null;
      readonly canaryAt: EpochMs | null;
    };

export type Unexplained = Pick<FailoverNews, 'hostedVmId' | 'at' | 'node'>;

export const closedBreaker: Breaker = { kind: 'closed' };

export function tripLimit(fleet: number): number {
  return Math.max(leastToTrip, Math.ceil(fleet * shareToTrip));
}

/** Failures that still count against the limit. */
export function recent(now: EpochMs, failures: readonly Unexplained[]): Unexplained[] {
  return failures.filter((one) => now - one.at < togetherMs);
}

/** The breaker after an unexplained failure; `failures` includes it. */
export function afterFailure(now: EpochMs, breaker: Breaker, failures: readonly Unexplained[], fleet: number): Breaker {
  const latest = failures.at(-1);
  if (breaker.kind === 'open') return breaker;
  if (breaker.kind === 'half-open') {
    if (breaker.canaryAt === null && latest?.hostedVmId === breaker.canary) return { ...breaker, canaryAt: now };
    return open(now, recent(now, failures), fleet);
  }
  const together = recent(now, failures);
  return together.length >= tripLimit(fleet) ? open(now, together, fleet) : breaker;
}

function open(now: EpochMs, together: readonly Unexplained[], fleet: number): Breaker {
  const nodes = [...new Set(together.map((one) => one.node))].sort();
  return {
    kind: 'open',
    since: now,
    reason: {
      code: 'breaker-open',
      text:
        `${together.length} of ${fleet} hosted VMs failed within ${formatDuration(togetherMs)} though their nodes are up: ` +
        `failovers are held until ${formatDuration(quietMs)} of quiet or an operator resets the breaker.`,
      facts: { failures: together.length, fleet, limit: tripLimit(fleet), nodes: nodes.join(',') },
    },
  };
}

/** What time alone does to it. */
export function afterTime(now: EpochMs, breaker: Breaker, failures: readonly Unexplained[]): Breaker {
  const lastAt = failures.at(-1)?.at ?? 0;
  if (breaker.kind === 'open' && now - Math.max(breaker.since, lastAt) >= quietMs) {
    return { kind: 'half-open', since: now, canary: null, canaryAt: null };
  }
  if (breaker.kind === 'half-open') {
    // Nobody wanted to fail over at all, or the one that did was alone: whatever it was has passed.
    if (breaker.canaryAt === null && now - breaker.since >= quietMs) return closedBreaker;
    if (breaker.canaryAt !== null && now - breaker.canaryAt >= canaryMs) return closedBreaker;
  }
  return breaker;
}

/** When time alone will next change it. */
export function nextChangeAt(breaker: Breaker, failures: readonly Unexplained[]): EpochMs | undefined {
  switch (breaker.kind) {
    case 'closed':
      return undefined;
    case 'open':
      return Math.max(breaker.since, failures.at(-1)?.at ?? 0) + quietMs;
    case 'half-open':
      return breaker.canaryAt === null ? breaker.since + quietMs : breaker.canaryAt + canaryMs;
  }
}
