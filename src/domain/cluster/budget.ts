import type { ClusterSpec } from '../inventory.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { hourMs } from '../time.ts';
import type { Lease } from './lease.ts';
import { claimOf } from './lease.ts';

/** Memory held over time in the running window. */
export type MemoryTime = {
  readonly windowStart: EpochMs;
  readonly countedUntil: EpochMs;
  readonly gibHours: number;
};

export type BudgetUse = {
  readonly shadows: number;
  readonly maxShadows: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  readonly gibHours: number;
  readonly maxGiBHours: number | null;
};

/** Only shadows cost: a promoted one is the service itself. */
function shadowClaims(leases: readonly Lease[]): number {
  return leases.filter((lease) => lease.role === 'shadow').reduce((sum, lease) => sum + claimOf(lease).memoryMiB, 0);
}

export function budgetUse(spec: ClusterSpec, leases: readonly Lease[], time: MemoryTime): BudgetUse {
  return {
    shadows: leases.filter((lease) => lease.role === 'shadow').length,
    maxShadows: spec.budget.maxShadows,
    memoryMiB: shadowClaims(leases),
    maxMemoryMiB: spec.budget.maxMemoryMiB,
    gibHours: time.gibHours,
    maxGiBHours: spec.budget.memoryTime?.maxGiBHours ?? null,
  };
}

/** Counts what was held since it was counted last; starts anew with each window. */
export function countMemoryTime(
  now: EpochMs,
  spec: ClusterSpec,
  leases: readonly Lease[],
  time: MemoryTime,
): MemoryTime {
  const windowMs = spec.budget.memoryTime?.windowMs;
  if (windowMs === undefined) return { ...time, countedUntil: now };
  const windowStart = Math.floor(now / windowMs) * windowMs;
  const from = Math.max(time.countedUntil, windowStart);
  const added = (shadowClaims(leases) / 1024) * (Math.max(0, now - from) / hourMs);
  const before = windowStart === time.windowStart ? time.gibHours : 0;
  return { windowStart, countedUntil: Math.max(now, time.countedUntil), gibHours: before + added };
}

/**
 * Would this set of leases stay within the hard budget? For memory over time, what was used so far and what the set
 * costs until the window ends count together.
 * @returns the reason with its numbers when it would not
 */
export function overBudget(
  now: EpochMs,
  spec: ClusterSpec,
  leases: readonly Lease[],
  time: MemoryTime,
): Reason | undefined {
  const use = budgetUse(spec, leases, time);
  if (use.shadows > use.maxShadows) {
    return {
      code: 'budget-shadows',
      text: `This would be shadow ${use.shadows} of at most ${use.maxShadows} in ${spec.name}.`,
      facts: { shadows: use.shadows, maxShadows: use.maxShadows },
    };
  }
  if (use.memoryMiB > use.maxMemoryMiB) {
    return {
      code: 'budget-memory',
      text: `Shadows would hold ${use.memoryMiB} MiB of at most ${use.maxMemoryMiB} MiB in ${spec.name}.`,
      facts: { memoryMiB: use.memoryMiB, maxMemoryMiB: use.maxMemoryMiB },
    };
  }
  const limit = spec.budget.memoryTime;
  if (limit === undefined) return undefined;
  const left = time.windowStart + limit.windowMs - now;
  const expected = Math.round((use.gibHours + (use.memoryMiB / 1024) * (left / hourMs)) * 10) / 10;
  if (expected <= limit.maxGiBHours) return undefined;
  return {
    code: 'budget-memory-time',
    text: `Shadows would use ${expected} GiB-hours of at most ${limit.maxGiBHours} until the window ends.`,
    facts: {
      expectedGiBHours: expected,
      maxGiBHours: limit.maxGiBHours,
      usedGiBHours: Math.round(use.gibHours * 10) / 10,
    },
  };
}
