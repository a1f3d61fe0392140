import type { Fence } from '../../src/domain/fence.ts';
import { ProviderError } from '../../src/ports/errors.ts';
import type { FailureClass } from '../../src/ports/errors.ts';
import type {
  ClusterView,
  GuestRef,
  GuestView,
  Hypervisor,
  Marker,
  PowerState,
  ShadowSpec,
} from '../../src/ports/hypervisor.ts';

export type FakeGuest = {
  vmid: number;
  name: string;
  node: string;
  power: PowerState;
  marker?: Marker;
  protected: boolean;
  address?: string;
  cores: number;
  memoryMiB: number;
  /** The service inside crashed: it runs and answers nobody. */
  crashed?: boolean;
  overloaded?: boolean;
};

/**
 * One cluster in memory with the semantics of the port: it looks before it acts, a repeat changes nothing, deletion is
 * guarded by the marker. Nodes can be off; calls are counted so that tests can say `no second clone`.
 */
export class FakeHypervisor implements Hypervisor {
  readonly cluster: string;
  readonly guests = new Map<number, FakeGuest>();
  readonly nodesOff = new Set<string>();
  readonly calls: string[] = [];
  lackingRights: { privilege: string; path: string; granted: boolean; mend: string }[] = [];
  /** The next calls of an operation that fail, as `clone` -> `transient`. */
  readonly failNext = new Map<string, FailureClass>();
  /** Operations (`power running`, `fence`) that hang, as on a node that does not answer, until they are called off. */
  readonly hanging = new Set<string>();
  /** Operations (`mark`, `power`) that fail as long as they are in here. */
  readonly failing = new Set<string>();
  /** Guests that a backup holds: they can be paused and not stopped. */
  readonly inBackup = new Set<number>();
  /** Told whenever a guest's power may have changed: where guests are real listeners, they start and stop here. */
  onPower: (guest: FakeGuest) => void = () => undefined;
  /** Milliseconds a clone takes. */
  cloneMs = 5;

  constructor(cluster: string) {
    this.cluster = cluster;
  }

  add(guest: Partial<FakeGuest> & { vmid: number; address: string }): FakeGuest {
    const whole: FakeGuest = {
      name: `vm${guest.vmid}`,
      node: 'pve1',
      power: 'running',
      protected: false,
      cores: 2,
      memoryMiB: 1024,
      ...guest,
    };
    this.guests.set(whole.vmid, whole);
    return whole;
  }

  /** Does this address answer a health check? */
  answering(address: string): 'healthy' | 'overloaded' | 'silent' {
    const guest = [...this.guests.values()].find((each) => each.address === address);
    if (guest?.power !== 'running' || guest.crashed === true || this.nodesOff.has(guest.node)) return 'silent';
    return guest.overloaded === true ? 'overloaded' : 'healthy';
  }

  observeCluster(): Promise<ClusterView> {
    return Promise.resolve({
      at: 0,
      quorate: true,
      nodes: [],
      guests: [...this.guests.values()].map((guest) => this.viewOf(guest)),
    });
  }

  observeGuest(ref: GuestRef): Promise<GuestView | undefined> {
    const guest = this.guests.get(ref.vmid);
    return Promise.resolve(guest === undefined ? undefined : this.viewOf(guest));
  }

  async ensureShadow(spec: ShadowSpec): Promise<GuestView> {
    this.fails('clone', spec.ref.vmid);
    const existing = this.guests.get(spec.ref.vmid);
    if (existing !== undefined) {
      if (existing.marker?.operation !== spec.marker.operation) throw this.error('clone', spec.ref.vmid, 'exists');
      return this.viewOf(existing);
    }
    this.calls.push(`clone ${spec.source.vmid} -> ${spec.ref.vmid}`);
    await new Promise((resolve) => setTimeout(resolve, this.cloneMs));
    const made = this.add({
      vmid: spec.ref.vmid,
      name: spec.name,
      node: spec.node,
      power: 'stopped',
      marker: spec.marker,
      address: spec.address.split('/')[0]!,
      cores: spec.cores,
      memoryMiB: spec.memoryMiB,
    });
    return this.viewOf(made);
  }

  async ensurePower(ref: GuestRef, wanted: PowerState, signal?: AbortSignal): Promise<GuestView> {
    await this.answer(`power ${wanted}`, signal);
    return this.onGuest('power', ref, (guest) => {
      if (guest.power === wanted) return;
      this.calls.push(`${wanted} ${ref.vmid}`);
      guest.power = wanted;
      this.onPower(guest);
    });
  }

  async ensureFenced(ref: GuestRef, signal?: AbortSignal): Promise<Fence> {
    await this.answer('fence', signal);
    const guest = this.guests.get(ref.vmid);
    if (guest === undefined) return { kind: 'stopped', fenced: true, proof: 'no such guest' };
    if (this.failNext.has('fence')) {
      this.failNext.delete('fence');
      return { kind: 'unreachable', fenced: false, proof: 'node does not answer and is not declared dead' };
    }
    this.calls.push(`fence ${ref.vmid}`);
    if (this.nodesOff.has(guest.node)) return { kind: 'stopped', fenced: true, proof: `node ${guest.node} is dead` };
    guest.power = this.inBackup.has(ref.vmid) ? 'paused' : 'stopped';
    this.onPower(guest);
    if (guest.power === 'paused') return { kind: 'isolated', fenced: false, proof: 'paused while a backup of it runs' };
    return { kind: 'stopped', fenced: true, proof: 'stopped, verified' };
  }

  ensureMarked(ref: GuestRef, marker: Marker, options: { readonly protected: boolean }): Promise<GuestView> {
    return this.onGuest('mark', ref, (guest) => {
      guest.marker = marker;
      guest.protected = options.protected;
    });
  }

  ensureDeleted(ref: GuestRef, marker: Marker): Promise<void> {
    const guest = this.guests.get(ref.vmid);
    if (guest === undefined) return Promise.resolve();
    const ours = guest.marker?.role === 'retired' && guest.marker.hostedVmId === marker.hostedVmId;
    if (!ours || guest.power !== 'stopped' || guest.protected) {
      return Promise.reject(this.error('delete', ref.vmid, 'permission'));
    }
    this.calls.push(`delete ${ref.vmid}`);
    this.guests.delete(ref.vmid);
    return Promise.resolve();
  }

  configDrift(): Promise<[]> {
    return Promise.resolve([]);
  }

  checkRights(): Promise<{ privilege: string; path: string; granted: boolean; mend: string }[]> {
    return Promise.resolve(this.lackingRights);
  }

  private onGuest(operation: string, ref: GuestRef, change: (guest: FakeGuest) => void): Promise<GuestView> {
    try {
      this.fails(operation, ref.vmid);
      const guest = this.guests.get(ref.vmid);
      if (guest === undefined) throw this.error(operation, ref.vmid, 'not-found');
      if (this.nodesOff.has(guest.node)) throw this.error(operation, ref.vmid, 'transient');
      change(guest);
      return Promise.resolve(this.viewOf(guest));
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private async answer(operation: string, signal?: AbortSignal): Promise<void> {
    while (this.hanging.has(operation)) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  private fails(operation: string, vmid: number): void {
    if (this.failing.has(operation)) throw this.error(operation, vmid, 'transient');
    const failureClass = this.failNext.get(operation);
    if (failureClass === undefined) return;
    this.failNext.delete(operation);
    throw this.error(operation, vmid, failureClass);
  }

  private error(operation: string, vmid: number, failureClass: FailureClass): ProviderError {
    return new ProviderError({
      provider: 'fake-proxmox',
      operation,
      target: String(vmid),
      failureClass,
      message: failureClass,
    });
  }

  private viewOf(guest: FakeGuest): GuestView {
    return {
      ref: { cluster: this.cluster, vmid: guest.vmid },
      node: guest.node,
      nodeOnline: !this.nodesOff.has(guest.node),
      name: guest.name,
      power: guest.power,
      ...(guest.marker === undefined ? {} : { marker: guest.marker }),
      template: false,
      cores: guest.cores,
      memoryMiB: guest.memoryMiB,
      storages: ['local-zfs'],
      tags: [],
      addresses: guest.address === undefined ? [] : [guest.address],
    };
  }
}
