import type { Reason } from './reason.ts';
import type { EpochMs } from './time.ts';

/** Who asked: `operator:ada@api`, `monitor:north`, `planner`, `workflow`. */
export type Actor = string;

/** One line of a hosted VM's timeline. `id` makes writing it twice harmless. */
export type UmbraEvent = {
  readonly id: string;
  readonly at: EpochMs;
  readonly hostedVmId: string;
  /** Stable, for machines and filters: `failover-decided`, `answer-changed`, `fenced`, `shadow-warm`, `probation-opened`... */
  readonly kind: string;
  readonly actor: Actor;
  readonly reason: Reason;
  /** Latencies, addresses, generations: what the figures are made of. */
  readonly facts: Readonly<Record<string, number | string | boolean | null>>;
};
