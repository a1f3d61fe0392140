import type { GuestRef, GuestView, Marker } from '../../ports/hypervisor.ts';
import { ProxmoxError } from './errors.ts';
import { observed } from './guest.ts';
import { isManaged } from './ha.ts';
import { leftOvers } from './left-overs.ts';
import { sameInstance } from './marker.ts';
import { mayStillCome } from './site.ts';
import type { Site, Work } from './site.ts';
import { finished } from './tasks.ts';
import { ensureConfig, Patience } from './writing.ts';

/**
 * Deletes a retired guest and its disks. What only Proxmox can tell is checked here, each time before anything is sent:
 * the VMID, the marker, that it is stopped and that nobody works on it. What only the hosted VM knows (that it serves no
 * answer, that its successor is well, that its disk was kept long enough) is checked by who calls. It is done when the
 * guest is proved gone.
 */
export async function ensureDeleted(work: Work, ref: GuestRef, marker: Marker): Promise<void> {
  const patience = new Patience(work);
  for (;;) {
    const found = await observed(work, ref.vmid);
    if (found === undefined) {
      work.lastNode.delete(ref.vmid);
      // Given up while its clone was in doubt: a guest that came after this look would be nobody's.
      if (mayStillCome(work, ref.vmid)) {
        await work.waiting.pause(work.timing.lookMs);
        continue;
      }
      await reportLeftOvers(work, ref);
      return;
    }
    const { view } = found;
    const objection = objectionTo(view, marker, work.spec.vmids);
    if (objection !== undefined) throw refusal(view, objection);
    try {
      await ensureConfig(work, ref.vmid, (config) =>
        config['protection'] === '1' ? { set: { protection: 0 } } : undefined,
      );
      await requireStorages(work, view);
      // Volumes of this VMID that no configuration names can only be ours in our own range.
      const upid = await work.calls.destroy(view.node, ref.vmid, inRange(ref.vmid, work.spec.vmids));
      const target = `VM ${ref.vmid} on ${view.node}`;
      const { warnings } = await finished(work.calls, upid, { target, waiting: work.waiting, log: work.log });
      for (const text of warnings) work.log.warn({ vmid: ref.vmid }, `delete: a disk may be left over: ${text}`);
    } catch (error) {
      await patience.after(error, 'not-found');
    }
    // A VMID is only to be seen as gone after a look, never because a call said so.
    work.lastNode.delete(ref.vmid);
  }
}

/**
 * Proxmox deletes a guest even when its disks cannot be freed, and then nobody names them any more. So nothing is
 * deleted while a storage of the guest is away.
 */
async function requireStorages(work: Work, view: GuestView): Promise<void> {
  for (const storage of view.storages) {
    // The cluster's list may be seconds old: the node itself is asked.
    const status = await work.calls.storageStatus(view.node, storage);
    if (status.active !== false) continue;
    throw new ProxmoxError({
      operation: 'delete',
      target: `VM ${view.ref.vmid} on ${view.node}`,
      failureClass: 'capacity',
      message: `storage ${storage} is away: its disk could not be freed and would be left over`,
    });
  }
}

/** It is gone, and that is what was asked for. What it may have left behind is looked for once; the sweep looks again. */
async function reportLeftOvers(work: Work, { vmid }: GuestRef): Promise<void> {
  if (!inRange(vmid, work.spec.vmids)) return;
  try {
    for (const { volume, node } of await leftOvers(work, vmid)) {
      work.log.warn(
        { vmid, node },
        `delete: VM ${vmid} is gone and its volume is not; on ${node}: pvesm free ${volume}`,
      );
    }
  } catch (error) {
    work.log.warn({ vmid }, `delete: VM ${vmid} is gone; whether it left volumes could not be seen: ${String(error)}`);
  }
}

/** Why this guest must not be deleted as the retired instance `marker`; undefined when nothing here speaks against it. */
export function objectionTo(view: GuestView, marker: Marker, range: Site['spec']['vmids']): string | undefined {
  const found = view.marker;
  if (!view.nodeOnline) return undefined;
  if (marker.role !== 'retired') return `the request names it as ${marker.role}, only retired ones are deleted`;
  if (found === undefined) return 'it does not carry our marker';
  if (!sameInstance(found, marker)) return `its marker says ${found.hostedVmId}/${found.n}`;
  if (found.role !== 'retired' || found.retiredAt === undefined) return `its marker says ${found.role}`;
  if (view.template) return 'it is a template';
  if (!inRange(view.ref.vmid, range) && found.n !== 0) {
    return `its VMID is outside ${range.from}-${range.to} and it was not adopted`;
  }
  if (isManaged(view.ha)) return `HA manages it (${view.ha ?? ''})`;
  if (view.power !== 'stopped' && view.power !== 'suspended') return `it is ${view.power}`;
  return undefined;
}

function inRange(vmid: number, range: Site['spec']['vmids']): boolean {
  return vmid >= range.from && vmid <= range.to;
}

function refusal(view: GuestView, why: string): ProxmoxError {
  return new ProxmoxError({
    operation: 'delete',
    target: `VM ${view.ref.vmid} on ${view.node}`,
    failureClass: 'invalid',
    message: `refused, nothing was changed: ${why}`,
  });
}
