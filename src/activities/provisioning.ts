import { ApplicationFailure } from '@temporalio/common';
import { refuseDeletion } from '../domain/cluster/deletion.ts';
import type { DeletionEvidence } from '../domain/cluster/deletion.ts';
import type { LeaseGrant } from '../domain/cluster-messages.ts';
import type { Instance, Warmth } from '../domain/instance.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import { minuteMs, secondMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import type { GuestView, Marker, PowerState, ShadowSpec } from '../ports/hypervisor.ts';
import { beat, cancellation, steadily } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { refOf } from './failover.ts';
import { lookAt } from './looking.ts';
import { becomesHealthy } from './waiting.ts';

export type ShadowOrder = {
  readonly spec: HostedVmSpec;
  readonly instance: Instance;
  readonly lease: LeaseGrant;
  readonly source: { readonly vmid: number; readonly snapshot?: string };
};

export type Owned = { readonly hostedVmId: string; readonly instance: Instance };

/** What a guest is kept in for each warmth. */
const powerOf: Readonly<Record<Warmth, PowerState>> = { hot: 'running', paused: 'paused', stopped: 'stopped' };

export type Deletion = Owned & {
  readonly spec: HostedVmSpec;
  /** It has been primary, or has served: its disk is kept first, and whoever took over must be well. */
  readonly served: boolean;
  readonly now: EpochMs;
};

export function createProvisioningActivities(
  deps: Pick<ActivityDeps, 'hypervisorOf' | 'nameServerOf' | 'hostedVmOf' | 'probe' | 'heartbeatSerialOf'>,
) {
  const power = async (instance: Instance, wanted: PowerState): Promise<void> => {
    const hypervisor = await deps.hypervisorOf(instance.cluster);
    await steadily(() => hypervisor.ensurePower(refOf(instance), wanted, cancellation()));
  };
  return {
    /** Clones, configures and marks the guest of this instance; finds its own earlier clone. */
    async ensureShadow(order: ShadowOrder): Promise<{ readonly node: string }> {
      const hypervisor = await deps.hypervisorOf(order.instance.cluster);
      const serial = deps.heartbeatSerialOf?.(order.instance.id);
      const made = shadowSpecOf(order, serial);
      const guest = await steadily(() => hypervisor.ensureShadow(made, cancellation()));
      return { node: guest.node };
    },

    ensureRunning: (instance: Instance): Promise<void> => power(instance, 'running'),

    ensureWarmth: ({ instance, warmth }: { instance: Instance; warmth: Warmth }): Promise<void> =>
      power(instance, powerOf[warmth]),

    /** One long look: resolves when the guest answers its health checks steadily, false when it does not in time. */
    awaitHealthy({
      spec,
      instance,
      withinMs,
    }: {
      spec: HostedVmSpec;
      instance: Instance;
      withinMs: number;
    }): Promise<boolean> {
      return becomesHealthy(deps.probe, spec, instance, withinMs, beat, cancellation());
    },

    /** Marker, tags and protection say what the guest is to us now. */
    async ensureMarked({
      hostedVmId,
      instance,
      role,
      protect,
    }: Owned & {
      readonly role: Marker['role'];
      readonly protect: boolean;
    }): Promise<void> {
      const hypervisor = await deps.hypervisorOf(instance.cluster);
      const marker = markerOf(hostedVmId, instance, role);
      await hypervisor.ensureMarked(refOf(instance), marker, { protected: protect }, cancellation());
    },

    /** Stops the guest and marks it retired; its disk stays. Gone already is success. */
    async ensureRetired({ hostedVmId, instance, now }: Owned & { readonly now: EpochMs }): Promise<void> {
      const hypervisor = await deps.hypervisorOf(instance.cluster);
      const ref = refOf(instance);
      const guest = await hypervisor.observeGuest(ref, cancellation());
      if (guest === undefined) return;
      if (guest.marker?.hostedVmId !== hostedVmId || guest.marker.n !== instance.n) {
        // A lease whose clone never came, or a stranger's guest: whatever runs there is not ours to stop.
        if (instance.n > 0) return;
        const message = `VM ${ref.vmid} does not carry the marker of ${hostedVmId}: it is left alone`;
        throw ApplicationFailure.nonRetryable(message, 'not-ours');
      }
      await steadily(() => hypervisor.ensurePower(ref, 'stopped', cancellation()));
      // The first day it was retired on counts, however often it is told.
      const retiredAt = guest.marker.role === 'retired' ? (guest.marker.retiredAt ?? now) : now;
      const marker: Marker = { ...markerOf(hostedVmId, instance, 'retired'), retiredAt };
      await hypervisor.ensureMarked(ref, marker, { protected: false }, cancellation());
    },

    /** Deletes a retired, stopped guest of this hosted VM when none of the five guards speaks against it. Gone already is success. */
    async ensureDeleted(deletion: Deletion): Promise<void> {
      const { hostedVmId, instance } = deletion;
      const hypervisor = await deps.hypervisorOf(instance.cluster);
      const guest = await hypervisor.observeGuest(refOf(instance), cancellation());
      const refusal = guest === undefined ? undefined : refuseDeletion(await evidenceFor(deps, deletion, guest));
      if (refusal !== undefined) {
        throw ApplicationFailure.nonRetryable(refusal.reason.text, refusal.reason.code);
      }
      const marker = markerOf(hostedVmId, instance, 'retired');
      await steadily(() => hypervisor.ensureDeleted(refOf(instance), marker, cancellation()));
    },
  };
}

/** The marker says when it was stopped, which is a moment after it was decided that its days begin. */
const markedLateMs = 5 * minuteMs;

/** Gathered anew each time: by tomorrow the answers, or who serves, may be others. */
async function evidenceFor(
  deps: Pick<ActivityDeps, 'nameServerOf' | 'hostedVmOf' | 'probe'>,
  { hostedVmId, instance, spec, served, now }: Deletion,
  guest: GuestView,
): Promise<DeletionEvidence> {
  const [view, answers] = await Promise.all([deps.hostedVmOf(hostedVmId), answersOf(deps, spec)]);
  const primary = view?.instances.find(({ role, state }) => role === 'primary' && state.kind !== 'deleted');
  const isWell = async (one: Instance): Promise<boolean> =>
    (await lookAt(deps.probe, spec, one, successorLookMs, cancellation())).answers;
  return {
    now,
    instance: instance.id,
    vmid: guest.ref.vmid,
    adopted: instance.n === 0,
    ...(guest.marker === undefined ? {} : { marker: guest.marker }),
    ...(instance.address === undefined ? {} : { address: instance.address }),
    answers,
    serving: view?.serving ?? [],
    primary: primary === undefined ? null : { instance: primary.id, healthy: !served || (await isWell(primary)) },
    served,
    keepDiskMs: Math.max(0, spec.policy.keepDiskMs - markedLateMs),
  };
}

/** Nobody waits for this look: it may take as long as a slow check does. */
const successorLookMs = 2 * secondMs;

/** Every address any of the servers answers; null when one of them cannot be read back. */
async function answersOf(deps: Pick<ActivityDeps, 'nameServerOf'>, spec: HostedVmSpec): Promise<string[] | null> {
  const { servers } = await (await deps.nameServerOf(spec.zone)).observe(spec.zone, spec.names, cancellation());
  if (servers.length === 0 || servers.some(({ error }) => error !== undefined)) return null;
  return servers.flatMap(({ a, aaaa }) => [...a, ...aaaa]);
}

function markerOf(hostedVmId: string, { n, id }: Instance, role: Marker['role']): Marker {
  return { hostedVmId, n, role, operation: id };
}

function shadowSpecOf({ spec, instance, lease, source }: ShadowOrder, heartbeatSerial: string | undefined): ShadowSpec {
  const { tier, cluster } = instance;
  const resources = spec.resources ?? { cores: 1, memoryMiB: 1024 };
  return {
    ref: { cluster, vmid: lease.vmid },
    marker: markerOf(spec.id, instance, 'shadow'),
    name: `${spec.id}-shadow-${instance.n}`.replaceAll(/[^a-zA-Z0-9-]/g, '-').slice(0, 63),
    source: { cluster, ...source },
    node: lease.node,
    full: lease.full,
    ...(lease.storage === undefined ? {} : { storage: lease.storage }),
    tier,
    ...sizeOf(resources, tier),
    address: lease.ipconfig,
    ...(lease.address6 === undefined ? {} : { address6: lease.address6 }),
    ...(spec.identity === undefined ? {} : { identity: spec.identity }),
    ...(heartbeatSerial === undefined ? {} : { heartbeatSerial }),
  };
}

/** Cores and memory of a tier; never less than one core and 128 MiB. */
function sizeOf(resources: { cores: number; memoryMiB: number }, tier: number): { cores: number; memoryMiB: number } {
  return {
    cores: Math.max(1, Math.ceil(resources.cores * tier)),
    memoryMiB: Math.max(128, Math.ceil((resources.memoryMiB * tier) / 16) * 16),
  };
}
