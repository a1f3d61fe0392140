import type { Instance, Warmth } from './instance.ts';
import type { HostedVmSpec } from './policy.ts';
import type { Reason } from './reason.ts';
import type { EpochMs } from './time.ts';

/** What a hosted VM wants of one of its instances. Declarative: telling it twice changes nothing. */
export type InstanceGoal =
  /** `again`: it was lost at this instant and has to be brought back, not only left as it is. */
  | { readonly kind: 'warm'; readonly warmth: Warmth; readonly again?: EpochMs }
  | { readonly kind: 'serving'; readonly role: 'primary' | 'shadow' }
  /** Already fenced by the hosted VM, or to be recorded as such; it must not serve again by itself. */
  | { readonly kind: 'fenced'; readonly proof: string }
  /** Stop at once, keep the disk until `deleteAt`; null keeps it for ever (an instance that is not ours). */
  | { readonly kind: 'retired'; readonly deleteAt: EpochMs | null; readonly served?: true }
  /** `kept`: it had served, and its disk has been kept for as long as the policy wants, which may be no time at all. */
  | { readonly kind: 'deleted'; readonly kept?: true }
  /** Umbra lets go of the guest and leaves it as it is. */
  | { readonly kind: 'released' };

/** `hostedVm` -> `shadowVm`, signal `wish`. */
export type InstanceWish = {
  readonly goal: InstanceGoal;
  /** A paused hosted VM is never touched: every step waits. */
  readonly paused: boolean;
  readonly reason: Reason;
};

/** `shadowVm` -> `hostedVm`, signal `instanceChanged`. */
export type InstanceNews = { readonly instance: Instance };

/** Start of a `shadowVm` workflow; `state` is what an earlier run carries over. */
export type ShadowVmInput = {
  readonly hostedVmId: string;
  readonly spec: HostedVmSpec;
  readonly instance: Instance;
  readonly wish: InstanceWish;
  /** The primary and the other shadows as they are now: where this one must not be. */
  readonly awayFrom: readonly { readonly vmid: number; readonly node?: string; readonly strict: boolean }[];
  readonly source: { readonly vmid: number; readonly snapshot?: string };
  /** Where else it may be copied from, the best first, when the source is not to be seen. */
  readonly otherSources?: readonly { readonly vmid: number }[];
  readonly carried?: ShadowVmCarried;
};

/** What a `shadowVm` carries over continue-as-new, beside its input. */
export type ShadowVmCarried = {
  readonly schemaVersion: 1;
  /** The goal that had been reached, as JSON. */
  readonly reached: string;
};
