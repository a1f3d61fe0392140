import type { Evaluation } from '../domain/plan.ts';
import type { Instance } from '../domain/instance.ts';
import type { Reason } from '../domain/reason.ts';

export type TrafficPlan = {
  readonly serving: readonly Instance[];
  readonly capacityQps: number;
  readonly neededQps: number;
  readonly carries: boolean;
  readonly reason: Reason;
};

/** Demand to be carried: p90 of the peak within the lead time, and never less than what is asked now. */
export function neededQps(evaluation: Evaluation | null): number {
  return Math.max(evaluation?.peak?.p90 ?? 0, evaluation?.demandQps ?? 0);
}

/**
 * Which instances should be named in DNS. The smallest that carries p90 alone; otherwise as few as it takes, the
 * largest first; otherwise all of them: less than enough is better than nothing.
 * @param ready instances that answer or can be woken; empty gives an empty plan, which no guard lets through
 * @param keep instances that serve already and go on serving: others only join them
 */
export function planTraffic(ready: readonly Instance[], needed: number, keep: readonly Instance[] = []): TrafficPlan {
  const bySize = [...ready].sort(
    (left, right) => left.capacityQps - right.capacityQps || warmthRank(left) - warmthRank(right) || left.n - right.n,
  );
  const single = keep.length === 0 ? bySize.find(({ capacityQps }) => capacityQps >= needed) : undefined;
  if (single !== undefined) return planOf([single], needed, `${labelOf(single)} carries`);
  const chosen = [...keep];
  for (const instance of bySize.reverse()) {
    if (total(chosen) >= needed && chosen.length > keep.length) break;
    chosen.push(instance);
  }
  return planOf(chosen, needed, chosen.length === 1 ? `${labelOf(chosen[0]!)} takes` : `${chosen.length} share`);
}

function planOf(serving: readonly Instance[], needed: number, verb: string): TrafficPlan {
  const capacityQps = total(serving);
  const carries = capacityQps >= needed;
  const demand = needed === 0 ? 'what is asked' : `p90 ${rate(needed)}`;
  const text = `${verb} ${demand} with ${rate(capacityQps)}${carries ? '' : ', which is not enough'}`;
  return {
    serving,
    capacityQps,
    neededQps: needed,
    carries,
    reason: { code: carries ? 'carries-p90' : 'largest-there-is', text, facts: { capacityQps, neededQps: needed } },
  };
}

/** Of two of one size the one that needs no waking. */
function warmthRank(instance: Instance): number {
  if (instance.state.kind !== 'warm') return 0;
  return { hot: 0, paused: 1, stopped: 2 }[instance.state.warmth];
}

function total(instances: readonly Instance[]): number {
  return instances.reduce((sum, { capacityQps }) => sum + capacityQps, 0);
}

function labelOf(instance: Instance): string {
  return `${instance.role} ${instance.vmid ?? instance.id} (${instance.tier}x)`;
}

function rate(qps: number): string {
  return `${Number(qps.toPrecision(3))} q/s`;
}
