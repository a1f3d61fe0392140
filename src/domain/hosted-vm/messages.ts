import type { HostedVmState } from '../hosted-vm.ts';
import type { HostedVmSpec } from '../policy.ts';
import type { EpochMs } from '../time.ts';

/** Workflow types as the clients name them. */
export const workflowTypes = { hostedVm: 'hostedVm', shadowVm: 'shadowVm', healthShard: 'healthShard' } as const;

/** Signals a `hostedVm` takes. */
export const hostedVmSignals = {
  healthChanged: 'healthChanged',
  demandChanged: 'demandChanged',
  instanceChanged: 'instanceChanged',
  failoverTokens: 'failoverTokens',
  breakerChanged: 'breakerChanged',
} as const;

/** Queries a `hostedVm` answers: its state, its explanation, and the view of lists and pages. */
export const hostedVmQueries = { state: 'state', explain: 'explain', view: 'view' } as const;

/** Update beside the operator's commands (which are named as in `commands.ts`). */
export const applySpecUpdate = 'applySpec';

/** Start of a `hostedVm` workflow; `state` is what an earlier run carries over. */
export type HostedVmInput = {
  readonly spec: HostedVmSpec;
  readonly revision: number;
  /** Vantage points that must agree at least; 2 unless the installation has only one. */
  readonly quorum?: number;
  readonly state?: HostedVmState;
  /** Continue as new after this many history events even when the server does not suggest it. For tests. */
  readonly continueAfterEvents?: number;
  /** Continue as new after this many even in the middle of a move. For tests. */
  readonly longest?: number;
};

/** Argument of `applySpec`. A lower or equal revision changes nothing. */
export type SpecChange = { readonly spec: HostedVmSpec; readonly revision: number; readonly actor: string };

/** The watcher of the demand store -> `hostedVm`, signal `demandChanged`: demand moved enough to evaluate again now. */
export type DemandNews = {
  readonly at: EpochMs;
  readonly qps: number;
  /** `volume-passed`, `surge`, `collapsed`: stable, for the event. */
  readonly code: string;
  readonly text: string;
};
