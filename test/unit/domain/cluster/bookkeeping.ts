import type { LeaseGrant, LeaseRequest } from '../../../../src/domain/cluster-messages.ts';
import { apply } from '../../../../src/domain/cluster/machine.ts';
import type { ClusterSnapshot } from '../../../../src/domain/cluster/snapshot.ts';
import type { ClusterMessage, ClusterState, Outgoing } from '../../../../src/domain/cluster/state.ts';
import { newCluster } from '../../../../src/domain/cluster/state.ts';
import type { ClusterSpec } from '../../../../src/domain/inventory.ts';
import { hourMs, minuteMs } from '../../../../src/domain/time.ts';

export const noon = Date.UTC(2026, 10, 20, 12);

export function spec(change: Partial<ClusterSpec> = {}): ClusterSpec {
  return {
    name: 'lab',
    provider: 'proxmox',
    endpoints: ['https://pve1.example:8006'],
    tokenFile: 'token',
    vmids: { from: 9001, to: 9010 },
    addresses: { from: '10.0.0.11', to: '10.0.0.20', prefix: 24, gateway: '10.0.0.1' },
    budget: { maxShadows: 10, maxMemoryMiB: 65_536 },
    clonesPerStorage: 2,
    quarantineMs: hourMs,
    failovers: { limit: 4, windowMs: minuteMs },
    ...change,
  };
}

export function request(n: number, change: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    requestId: `lease/shop/${n}`,
    replyTo: `shadow-vm/shop/${n}`,
    instance: `shop/${n}`,
    hostedVmId: 'shop',
    tier: 1,
    warmth: 'hot',
    cores: 2,
    memoryMiB: 2_048,
    awayFrom: [{ vmid: 101, node: 'pve1', strict: true }],
    source: { vmid: 9000 },
    ...change,
  };
}

export function snapshot(at: number, change: Partial<ClusterSnapshot> = {}): ClusterSnapshot {
  const node = (name: string) => ({
    node: name,
    online: true,
    maintenance: false,
    cpus: 8,
    memoryMiB: 32_768,
    othersMemoryMiB: 4_096,
    othersCores: 4,
    hostMemoryMiB: 0,
  });
  return {
    at,
    quorate: true,
    nodes: [node('pve1'), node('pve2'), node('pve3')],
    guests: [{ vmid: 101, node: 'pve1', role: 'primary' }],
    strayVmids: [],
    strayAddresses: [],
    ...change,
  };
}

/** Runs messages through the machine, and remembers what it said. */
export class Bookkeeping {
  state: ClusterState;
  now: number;
  readonly said: Outgoing[] = [];

  constructor(change: Partial<ClusterSpec> = {}, now = noon) {
    this.state = newCluster(spec(change), now);
    this.now = now;
  }

  tell(message: ClusterMessage): Outgoing[] {
    // The state crosses history as JSON: whatever does not survive that would be lost at the next continue-as-new.
    const carried = JSON.parse(JSON.stringify(this.state)) as ClusterState;
    const step = apply(this.now, carried, message);
    this.state = step.state;
    this.said.push(...step.outgoing);
    return [...step.outgoing];
  }

  /** Requests a lease and gives it a place at once, as the workflow's next look would. */
  lease(n: number, change: Partial<LeaseRequest> = {}, node = 'pve2'): LeaseGrant | undefined {
    const wanted = request(n, change);
    this.tell({ kind: 'leaseRequested', request: wanted });
    const outgoing = this.tell({
      kind: 'placed',
      snapshot: this.state.snapshot ?? snapshot(this.now),
      placements: [{ kind: 'placed', requestId: wanted.requestId, node, storage: 'tank', full: false }],
    });
    return outgoing.find((one) => one.signal === 'leaseGranted')?.payload as LeaseGrant | undefined;
  }
}
