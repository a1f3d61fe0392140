import { nodeOfflineEvidence } from '../domain/health.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { EpochMs } from '../domain/time.ts';
import type { ClusterView, GuestView } from '../ports/hypervisor.ts';
import type { Finding } from './detector.ts';
import type { MonitoredInstance } from './monitored.ts';
import { heldSince } from './source.ts';
import type { EvidenceSource } from './source.ts';

const fullCpu = 0.95;
/** Proxmox averages CPU over some 10 s; a busy moment is no overload. */
const fullCpuForMs = 30_000;

function judgeGuest(
  monitored: MonitoredInstance,
  guest: GuestView,
  busySince: Map<InstanceId, EpochMs>,
  now: EpochMs,
): Finding {
  const { instance } = monitored;
  if (!guest.nodeOnline) return { finding: 'failed', sinceMs: now, evidence: nodeOfflineEvidence(guest.node) };
  if (guest.power === 'stopped')
    return { finding: 'failed', sinceMs: now, evidence: `guest ${guest.ref.vmid} is stopped` };
  if (guest.power !== 'running')
    return { finding: 'unknown', sinceMs: now, evidence: `guest ${guest.ref.vmid} is ${guest.power}` };
  const since = heldSince(busySince, instance, (guest.cpu ?? 0) >= fullCpu, now);
  if (since !== undefined && now - since >= fullCpuForMs) {
    const evidence = `guest ${guest.ref.vmid} uses ${Math.round((guest.cpu ?? 0) * 100)} % of its CPUs for ${Math.round((now - since) / 1_000)} s`;
    return { finding: 'overloaded', sinceMs: since, evidence };
  }
  return { finding: 'healthy', sinceMs: now, evidence: `guest ${guest.ref.vmid} runs on ${guest.node}` };
}

/**
 * What Proxmox knows. Without quorum nothing is known, and a guest that is not listed may only be hidden from our token.
 * That a guest runs does not mean that it serves: `healthy` of this kind is no vote (`verdictOf`).
 */
export function judgeViews(
  instances: readonly MonitoredInstance[],
  views: readonly ClusterView[],
  busySince: Map<InstanceId, EpochMs>,
  now: EpochMs,
): Map<InstanceId, Finding> {
  const findings = new Map<InstanceId, Finding>();
  for (const view of views) {
    const guests = new Map(view.guests.map((guest) => [`${guest.ref.cluster}/${guest.ref.vmid}`, guest]));
    for (const monitored of instances) {
      const guest = monitored.guest && guests.get(`${monitored.guest.cluster}/${monitored.guest.vmid}`);
      if (guest === undefined) continue;
      const blind: Finding = { finding: 'unknown', sinceMs: now, evidence: 'the cluster has no quorum' };
      findings.set(monitored.instance, view.quorate ? judgeGuest(monitored, guest, busySince, now) : blind);
    }
  }
  return findings;
}

export function clusterSource(read: () => Promise<readonly ClusterView[]>, everyMs = 2_000): EvidenceSource {
  const busySince = new Map<InstanceId, EpochMs>();
  return {
    source: { vantage: 'proxmox', kind: 'proxmox' },
    everyMs,
    look: async (instances, now) => judgeViews(instances, await read(), busySince, now),
  };
}
