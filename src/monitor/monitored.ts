import type { InstanceId } from '../domain/instance.ts';
import type { HealthCheck } from '../domain/policy.ts';
import type { GuestRef } from '../ports/hypervisor.ts';

/** One instance a shard looks after. */
export type MonitoredInstance = {
  readonly instance: InstanceId;
  readonly hostedVmId: string;
  readonly address: string;
  readonly checks: readonly HealthCheck[];
  /** The hosted VM's first name, asked for over HTTP. */
  readonly host: string;
  readonly capacityQps: number;
  readonly serving: boolean;
  /** Where it is on Proxmox; without it the cluster's view says nothing about it. */
  readonly guest?: GuestRef;
};
