import { failed } from '../api/refusal.ts';
import { without } from '../without.ts';
import type { Machine } from '../guests/machine.ts';
import type { Cluster } from './cluster.ts';
import { disksOf } from './drive.ts';
import { applyPending } from './pending.ts';
import type { Worker } from './tasks.ts';

/** Starts QEMU: pending changes become current, the cloud-init image is made anew, a saved state is restored. */
export async function startGuest(cluster: Cluster, node: string, vmid: number, worker: Worker): Promise<void> {
  await cluster.locks.guest(node, vmid, 10_000, async () => {
    const guest = cluster.load(node, vmid);
    const { current } = guest.config;
    if (current['template'] === '1') throw failed("you can't start a vm if it's a template");
    const suspended = current['lock'] === 'suspended';
    const machine = cluster.machines.get(vmid);
    // While a backup runs the guest is only told to go on.
    if (current['lock'] === 'backup' && machine) {
      goOn(cluster, machine);
      return;
    }
    if (!suspended) cluster.requireUnlocked(guest);
    if (machine) throw failed(`VM ${vmid} already running`);
    applyPending(cluster, guest);
    for (const drive of disksOf(guest.config.current)) {
      cluster.volumes.activeStorage(drive.file.split(':')[0]!, node);
      if (!cluster.volumes.find(drive.file, node)) throw failed(`volume '${drive.file}' does not exist`);
    }
    requireMemory(cluster, node, vmid);
    await worker.takes(cluster.timing.startMs);
    if (suspended) {
      worker.log('Resuming suspended VM');
      const state = guest.config.current['vmstate'];
      const volume = state === undefined ? undefined : cluster.volumes.find(state, node);
      if (volume) cluster.volumes.free(volume);
      guest.config.current = without(guest.config.current, 'lock', 'vmstate', 'runningmachine', 'runningcpu');
    }
    cluster.machines.start(vmid, node, guest.config.current, suspended ? 0 : cluster.timing.bootMs);
    guest.running = true;
  });
}

/** A processor that stands still runs on; one that has never run boots. */
export function goOn(cluster: Cluster, machine: Machine): void {
  if (machine.qmp === 'prelaunch') machine.bootedAt = cluster.clock.now() + cluster.timing.bootMs;
  if (machine.qmp === 'prelaunch' || machine.qmp === 'paused') machine.qmp = 'running';
  cluster.machines.changed(machine.vmid);
}

/** Room is what the node has, less what its running guests were promised. */
function requireMemory(cluster: Cluster, node: string, vmid: number): void {
  const promised = (id: number): number =>
    Number(/(\d+)/.exec(cluster.world.guests.get(id)?.config.current['memory'] ?? '512')?.[1]) * 2 ** 20;
  const taken = cluster.machines.all
    .filter((machine) => machine.node === node)
    .reduce((sum, machine) => sum + promised(machine.vmid), 2 * 2 ** 30);
  const total = cluster.world.nodes.get(node)?.memoryBytes ?? 0;
  if (taken + promised(vmid) > total * 1.5) {
    throw failed(`start failed: QEMU exited with code 1\ncannot set up guest memory 'pc.ram': Cannot allocate memory`);
  }
}
