import type { Command } from './commands.ts';
import type { Paused, Phase, Proposal } from './hosted-vm.ts';
import type { Instance, InstanceId } from './instance.ts';
import { riskBand } from './plan.ts';
import type { Evaluation } from './plan.ts';
import type { PolicyMode } from './policy.ts';
import type { StorageClass } from './storage-class.ts';
import type { EpochMs } from './time.ts';

/** One word per row; each has one colour on the dashboard. */
export type DisplayState =
  | 'adopting'
  | 'unprotected'
  | 'warming'
  | 'protected'
  | 'failing-over'
  | 'probation'
  | 'promoting'
  | 'needs-human'
  | 'paused'
  | 'retired'
  | 'unknown';

/** What the projection, the API, the CLI and the dashboard show of one hosted VM: derived from its state, never stored apart from it. */
export type HostedVmView = {
  readonly id: string;
  readonly names: readonly string[];
  readonly storageClass: StorageClass;
  readonly mode: PolicyMode;
  readonly state: DisplayState;
  /** The first line of the page and of `umbra explain`. */
  readonly sentence: string;
  readonly phase: Phase;
  readonly paused: Paused | null;
  readonly instances: readonly Instance[];
  readonly serving: readonly InstanceId[];
  readonly capacityQps: number;
  readonly evaluation: Evaluation | null;
  readonly generation: number | null;
  readonly probationEndsAt: EpochMs | null;
  readonly revision: number;
  readonly at: EpochMs;
};

/** Without a shadow because none is wanted at its risk: the policy's choice, and no reason to wake anybody. */
export function unshadowedByPolicy({ state, evaluation }: Pick<HostedVmView, 'state' | 'evaluation'>): boolean {
  return state === 'unprotected' && evaluation?.plan.wanted.length === 0 && riskBand(evaluation.risk.score) === 'low';
}

/** The answer of the `explain` query. */
export type Explanation = {
  readonly sentence: string;
  readonly why: readonly string[];
  readonly waitsFor: readonly string[];
  readonly next: readonly string[];
  readonly proposal: Proposal | null;
  readonly commands: Readonly<Record<Command, { readonly allowed: boolean; readonly reason?: string }>>;
};
