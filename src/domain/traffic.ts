import type { Instance, InstanceId } from './instance.ts';
import type { Evaluation } from './plan.ts';
import type { Reason } from './reason.ts';

/** What the planner has tuned of the choice of who carries traffic; recorded with each evaluation. */
export type TrafficTuning = {
  /** What takes an overload over carries this many times what was too much, so that it is not overloaded at once. */
  readonly spare: number;
  /** The primary serves alone again below this share of its capacity: sharing and scaling in must not meet. */
  readonly scaleInShare: number;
};

/** In force until an evaluation records another. */
export const plainTuning: TrafficTuning = { spare: 1.1, scaleInShare: 0.7 };

/** Why somebody else should carry traffic. */
export type TrafficMotive =
  /** `lost` does not serve any more; whoever else serves goes on. */
  | { readonly kind: 'failed'; readonly lost: readonly InstanceId[] }
  /** What serves has more than it can. */
  | { readonly kind: 'overloaded' }
  /** An operator wants traffic away from what serves. */
  | { readonly kind: 'asked' };

export type TrafficQuestion = {
  readonly serving: readonly Instance[];
  /** Who could serve as well: answers, or can be woken. */
  readonly ready: readonly Instance[];
  readonly evaluation: Evaluation | null;
};

export type TrafficPlan = {
  /** Instances to be named in DNS; empty when nobody is there, which no guard lets through. */
  readonly serving: readonly Instance[];
  /** Queries per second the set carries by equal shares. */
  readonly capacityQps: number;
  readonly neededQps: number;
  readonly carries: boolean;
  readonly reason: Reason;
};

/** Demand to be carried, queries per second: p90 of the peak within the lead time, and never less than what is asked now. */
export function neededQps(evaluation: Evaluation | null): number {
  return Math.max(evaluation?.peak?.p90 ?? 0, evaluation?.demandQps ?? 0);
}

/**
 * Queries per second a set carries together. Resolvers take the named addresses in turn, so that each instance gets the
 * same share and the smallest is full first: a 1x and a 2x carry what two 1x carry.
 */
export function capacityOf(instances: readonly Pick<Instance, 'capacityQps'>[]): number {
  if (instances.length === 0) return 0;
  return instances.length * Math.min(...instances.map(({ capacityQps }) => capacityQps));
}

/** Queries per second that find no room when `neededQps` is spread over the set in equal shares. */
export function overflowOf(instances: readonly Pick<Instance, 'capacityQps'>[], needed: number): number {
  const share = needed / instances.length;
  return instances.reduce((sum, { capacityQps }) => sum + Math.max(0, share - capacityQps), 0);
}

/** Instances traffic could move to: warm shadows, and a primary that was left running. */
export function readyToServe<I extends Instance>(of: {
  readonly instances: readonly I[];
  readonly serving: readonly InstanceId[];
}): I[] {
  return of.instances.filter(
    ({ id, address, role, state }) =>
      !of.serving.includes(id) &&
      address !== undefined &&
      (state.kind === 'warm' || (role === 'primary' && state.kind === 'serving')),
  );
}

/**
 * Who should be named in DNS. The failover, an operator's command, `explain`, what-if and the dialogs all ask here, so
 * that none names another than the one that will serve.
 */
export function planTraffic(question: TrafficQuestion, motive: TrafficMotive): TrafficPlan {
  const { serving, ready, evaluation } = question;
  const needed = neededQps(evaluation);
  switch (motive.kind) {
    case 'asked':
      return planOf(smallestSet([], ready, needed), [], needed);
    case 'failed': {
      const staying = serving.filter(({ id }) => !motive.lost.includes(id));
      const joined = smallestSet(staying, ready, needed);
      // One that serves well is only let go where keeping it would overload it.
      const apart = overflowOf(joined, needed) > 0 ? smallestSet([], ready, needed) : joined;
      return planOf(better(joined, apart, needed), staying, needed);
    }
    case 'overloaded': {
      const has = capacityOf(serving);
      const { spare } = evaluation?.traffic ?? plainTuning;
      // The verdict is that what serves does not suffice, whatever the forecast says.
      const more = Math.max(needed, has) * spare;
      const bigger = ready.filter(({ capacityQps }) => capacityQps > has);
      const alone = smallestSet([], bigger, more);
      const together = smallestSet(serving, ready, more);
      return planOf(alone.length > 0 && overflowOf(alone, more) === 0 ? alone : together, serving, more);
    }
  }
}

/**
 * The fewest instances that carry `needed` by equal shares, and of those the smallest; where none do, the set with the
 * least that finds no room. Exact: among sets of one size the largest instances lose least, so that one set a size is
 * enough to look at.
 * @param keep instances that are in the set whatever it costs
 */
function smallestSet(keep: readonly Instance[], ready: readonly Instance[], needed: number): readonly Instance[] {
  const small = [...ready].sort(bySize);
  let best: readonly Instance[] = keep;
  let least = keep.length === 0 ? Infinity : overflowOf(keep, needed);
  if (least === 0) return keep;
  for (let extra = 1; extra <= small.length; extra += 1) {
    const share = needed / (keep.length + extra);
    const fitting = small.filter(({ capacityQps }) => capacityQps >= share).slice(0, extra);
    if (fitting.length === extra && keep.every(({ capacityQps }) => capacityQps >= share)) {
      return [...keep, ...fitting.reverse()];
    }
    const largest = [...keep, ...[...ready].sort(byLargest).slice(0, extra)];
    const overflow = overflowOf(largest, needed);
    if (overflow < least) {
      best = largest;
      least = overflow;
    }
  }
  return best;
}

/** Of two of one size the one that needs no waking, then the older. */
function bySize(left: Instance, right: Instance): number {
  return left.capacityQps - right.capacityQps || wakingRank(left) - wakingRank(right) || left.n - right.n;
}

function byLargest(left: Instance, right: Instance): number {
  return right.capacityQps - left.capacityQps || wakingRank(left) - wakingRank(right) || left.n - right.n;
}

function wakingRank({ state }: Instance): number {
  return state.kind === 'warm' ? { hot: 0, paused: 1, stopped: 2 }[state.warmth] : 0;
}

function better(first: readonly Instance[], second: readonly Instance[], needed: number): readonly Instance[] {
  if (second.length === 0) return first;
  return first.length === 0 || overflowOf(second, needed) < overflowOf(first, needed) ? second : first;
}

function planOf(set: readonly Instance[], before: readonly Instance[], needed: number): TrafficPlan {
  const capacityQps = capacityOf(set);
  const carries = set.length > 0 && overflowOf(set, needed) === 0;
  const goOn = set.length > 0 && set.every(({ id }) => before.some((other) => other.id === id));
  const demand = needed === 0 ? 'what is asked' : `p90 ${rate(needed)}`;
  const who = goOn
    ? set.length === 1
      ? 'the other one carries'
      : 'the others carry'
    : set.length === 1
      ? `${labelOf(set[0]!)} carries`
      : `${set.length} share`;
  const text = `${who} ${demand} with ${rate(capacityQps)}${carries ? '' : ', which is not enough'}`;
  return {
    serving: set,
    capacityQps,
    neededQps: needed,
    carries,
    reason: { code: carries ? 'carries-p90' : 'largest-there-is', text, facts: { capacityQps, neededQps: needed } },
  };
}

function labelOf({ role, vmid, id, tier }: Instance): string {
  return `${role} ${vmid ?? id} (${tier}x)`;
}

function rate(qps: number): string {
  return `${Number(qps.toPrecision(3))} q/s`;
}
