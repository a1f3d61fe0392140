import type { InstanceId, Tier, Warmth } from './instance.ts';
import type { Reason } from './reason.ts';
import type { EpochMs } from './time.ts';

/*
 * Workflow to workflow by signals only. A request carries an id and where to answer; asking again with the same id
 * is answered again, never granted twice.
 */

/** `shadowVm` -> `cluster`, signal `requestLease`. */
export type LeaseRequest = {
  readonly requestId: string;
  /** Workflow id that gets `leaseGranted` or `leaseRefused`. */
  readonly replyTo: string;
  readonly instance: InstanceId;
  readonly hostedVmId: string;
  readonly tier: Tier;
  readonly warmth: Warmth;
  readonly cores: number;
  readonly memoryMiB: number;
  /** The primary and the hosted VM's other shadows: never on the node of the primary, spread over the others. */
  readonly awayFrom: readonly { readonly vmid: number; readonly node?: string; readonly strict: boolean }[];
  readonly source: { readonly vmid: number; readonly snapshot?: string };
  /** Copied from instead, the best first, while the source is not to be seen: its node is off. */
  readonly otherSources?: readonly { readonly vmid: number }[];
};

/** `cluster` -> `shadowVm`, signal `leaseGranted`. */
export type LeaseGrant = {
  readonly requestId: string;
  readonly vmid: number;
  /** Dotted IPv4 as published in DNS. */
  readonly address: string;
  /** ipconfig0 without `ip=`: `10.0.0.11/24,gw=10.0.0.1`. */
  readonly ipconfig: string;
  readonly address6?: string;
  readonly node: string;
  readonly storage?: string;
  readonly full: boolean;
  /** Where to clone from: the requested source, a template of the same name on the granted node, or one of the other sources. */
  readonly source?: { readonly vmid: number; readonly snapshot?: string };
  /** A rule that could not be kept, and why: a one-node cluster has no other node. */
  readonly relaxed?: Reason;
  /** Leases that are never confirmed end here. */
  readonly expiresAt: EpochMs;
};

/** `cluster` -> `shadowVm`, signal `leaseRefused`: a refusal with numbers, not a retry loop. */
export type LeaseRefusal = { readonly requestId: string; readonly reason: Reason };

/** `shadowVm` -> `cluster`, signal `confirmLease` once the guest exists, `releaseLease` once it is gone. */
export type LeaseNews = { readonly instance: InstanceId; readonly vmid: number };

/** `shadowVm` -> `cluster`, signal `requestClone`; answered by `cloneTurn`; ended by `cloneDone`. */
export type CloneRequest = {
  readonly requestId: string;
  readonly replyTo: string;
  readonly storage: string;
  readonly instance: InstanceId;
};
export type CloneTurn = { readonly requestId: string };
/** `shadowVm` -> `cluster`, signal `cloneDone`, whether it went well or not: its place is free again. */
export type CloneDone = CloneTurn & { readonly failed?: boolean };

/** `sweep` -> `cluster`, signal `adoptLease`: a guest that carries our marker and that no lease covers. */
export type AdoptedLease = {
  readonly instance: InstanceId;
  readonly hostedVmId: string;
  readonly vmid: number;
  readonly address: string;
  readonly node: string;
  readonly role: 'primary' | 'shadow' | 'retired';
  readonly warmth: Warmth;
  readonly cores: number;
  readonly memoryMiB: number;
};

/** `hostedVm` -> `cluster`, signal `requestFailoverTokens`, ahead of need; answered by `failoverTokens`. */
export type TokenRequest = {
  readonly requestId: string;
  readonly replyTo: string;
  readonly hostedVmId: string;
  /** Asked in the middle of a failover, not ahead of one: may draw on what is kept back for the fleet. */
  readonly needed?: boolean;
};
export type TokenGrant = {
  readonly requestId: string;
  readonly tokens: number;
  readonly breakerOpen: boolean;
  readonly reason: Reason;
};
/** `hostedVm` -> `cluster`, signal `failoverHappened`, after the fact: counted, and unexplained ones feed the breaker. */
export type FailoverNews = {
  readonly hostedVmId: string;
  readonly at: EpochMs;
  readonly explained: boolean;
  readonly node: string;
};
/** `cluster` -> every `hostedVm` it knows, signal `breakerChanged`. */
export type BreakerNews = { readonly open: boolean; readonly reason: Reason };

/** Search attributes and workflow ids of the registry. */
export function clusterWorkflowId(cluster: string): string {
  return `cluster/${cluster}`;
}
export function hostedVmWorkflowId(id: string): string {
  return `hosted-vm/${id}`;
}
export function healthShardWorkflowId(vantage: string, n: number): string {
  return `health/${vantage}/${n}`;
}

/** Failover work has its own queue, so that evaluation never stands in its way. */
export const taskQueues = {
  /** Clusters, guests, health shards and sweeps; the projection. */
  workflows: 'umbra',
  /**
   * Hosted VMs and their moves of traffic: an activity on its workflow's own queue is handed over with the answer to the
   * workflow task (eagerly), which saves a hop; and no clone's workflow is in front of them.
   */
  failover: 'umbra-failover',
  provisioning: 'umbra-provisioning',
  forecasting: 'umbra-forecasting',
  /** One per vantage point: `umbra-monitor-north`. */
  monitor: (vantage: string): string => `umbra-monitor-${vantage}`,
} as const;
