import type { InstanceId } from '../domain/instance.ts';
import type { HealthCheck } from '../domain/policy.ts';
import type { HostedVmView } from '../domain/view.ts';
import type { Evaluator } from '../ports/evaluator.ts';
import type { FleetForecaster } from '../ports/fleet-forecaster.ts';
import type { Hypervisor } from '../ports/hypervisor.ts';
import type { NameServer } from '../ports/name-server.ts';
import type { HeartbeatStore, Registry } from '../ports/registry.ts';

export type ProbeAnswer = { readonly ok: boolean; readonly latencyMs: number; readonly detail: string };

/** One health check of one address, now. Never rejects: a failure is an answer. */
export type Probe = (
  target: { readonly address: string; readonly check: HealthCheck; readonly host: string },
  timeoutMs: number,
  signal?: AbortSignal,
) => Promise<ProbeAnswer>;

/** What the activities need from the world. Composition chooses the providers and hands them to `startWorker`. */
export type ActivityDeps = {
  /** @throws ProviderError not-found when the inventory names no such cluster */
  readonly hypervisorOf: (cluster: string) => Promise<Hypervisor>;
  /** @throws ProviderError not-found when the inventory names no such zone */
  readonly nameServerOf: (zone: string) => Promise<NameServer>;
  readonly registry: Pick<Registry, 'save'>;
  readonly evaluator: Evaluator;
  readonly fleet: FleetForecaster;
  readonly probe: Probe;
  /** What a hosted VM's own workflow says now; undefined when none runs. Never the projection: it may be late. */
  readonly hostedVmOf: (id: string) => Promise<HostedVmView | undefined>;
  readonly heartbeats?: Pick<HeartbeatStore, 'newest'>;
  /** `<instance id>:<HMAC>` for the guest's SMBIOS serial; the secret stays out of every history. */
  readonly heartbeatSerialOf?: (instance: InstanceId) => string;
};
