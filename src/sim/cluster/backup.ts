import { failed } from '../api/refusal.ts';
import type { WorldGuest, WorldStorage } from '../world/world.ts';
import { without } from '../without.ts';
import { archiveName, dumpFolder, stamp, storeArchive } from './archive.ts';
import type { Cluster } from './cluster.ts';
import { agentEnabled, drivesOf, isCdrom } from './drive.ts';
import type { Drive } from './drive.ts';
import { newUuid } from './identity.ts';
import { goOn } from './start.ts';
import { WorkerGone } from './tasks.ts';
import type { Worker } from './tasks.ts';
import { formatSize, humanBytes } from './volumes.ts';

export type BackupMode = 'snapshot' | 'suspend' | 'stop';

/** What a backup is told. `durationMs` is for who wants a long one: it takes the place of the time the disks need. */
export type BackupOrder = {
  readonly storage: string;
  readonly mode: BackupMode;
  readonly compress: string;
  /** KiB per second; 0 is as fast as the storage goes. */
  readonly bandwidth: number;
  readonly stopWaitMs: number;
  readonly durationMs?: number;
};

/** How long the file systems stand still while QEMU takes hold of the disks. */
const freezeMs = 800;

/** The storage, when backups may go there. */
export function backupStorage(cluster: Cluster, id: string): WorldStorage {
  const storage = cluster.volumes.storage(id);
  if (!cluster.volumes.contentOf(storage).includes('backup'))
    throw failed(`can't use storage '${id}' for backups - wrong content type`);
  return storage;
}

/** The disks of a guest, and why each is part of a backup or is not. */
export function backupDisks(guest: WorldGuest): { drive: Drive; included: boolean; reason: string }[] {
  const { current } = guest.config;
  return drivesOf(current)
    .filter((drive) => !isCdrom(drive) && drive.options['media'] !== 'cdrom')
    .map((drive) => {
      if (drive.slot === 'efidisk0' && current['bios'] !== 'ovmf')
        return { drive, included: false, reason: 'efidisk but no OMVF BIOS' };
      const included = drive.options['backup'] !== '0';
      return { drive, included, reason: `backup=${included ? 'yes' : 'no'}` };
    });
}

/** Backs guests of a node up, one after the other; one job at a time has a node. What fails does not stop the rest. */
export async function backUp(
  cluster: Cluster,
  node: string,
  vmids: readonly number[],
  order: BackupOrder,
  worker: Worker,
  lockWaitMs: number,
): Promise<void> {
  const file = '/var/run/vzdump.lock';
  await cluster.locks.hold(
    `${node}:${file}`,
    true,
    lockWaitMs,
    `can't acquire lock '${file}' - got timeout`,
    async () => {
      backupStorage(cluster, order.storage);
      let failures = 0;
      for (const vmid of vmids) {
        const startedAt = cluster.clock.now();
        worker.log(`INFO: Starting Backup of VM ${vmid} (qemu)`);
        worker.log(`INFO: Backup started at ${stamp(startedAt, ' ', ':')}`);
        try {
          await backUpGuest(cluster, node, vmid, order, worker);
          worker.log(`INFO: Finished Backup of VM ${vmid} (${duration(cluster.clock.now() - startedAt)})`);
          worker.log(`INFO: Backup finished at ${stamp(cluster.clock.now(), ' ', ':')}`);
        } catch (error) {
          if (error instanceof WorkerGone) throw error;
          // Who is told to stop leaves the guests that are left.
          if (error instanceof Error && error.message === 'received interrupt') throw failed('interrupted by signal');
          failures += 1;
          worker.log(`ERROR: Backup of VM ${vmid} failed - ${error instanceof Error ? error.message : String(error)}`);
          worker.log(`INFO: Failed at ${stamp(cluster.clock.now(), ' ', ':')}`);
        }
      }
      worker.log(`INFO: Backup job finished ${failures === 0 ? 'successfully' : 'with errors'}`);
      if (failures > 0) throw failed('job errors');
    },
  );
}

/** One guest, under its lock `backup` from before the first look at it until the archive is there. */
async function backUpGuest(
  cluster: Cluster,
  node: string,
  vmid: number,
  order: BackupOrder,
  worker: Worker,
): Promise<void> {
  const guest = cluster.guestOn(node, vmid);
  if (!guest) throw failed(`unable to find VM '${vmid}'`);
  await cluster.locks.guest(node, vmid, 10_000, () => {
    cluster.requireUnlocked(guest);
    cluster.requireWritable(node, vmid);
    guest.config.current['lock'] = 'backup';
    return Promise.resolve();
  });
  try {
    await carryOut(cluster, node, guest, order, worker);
  } catch (error) {
    // A worker that is gone unlocks nothing, and thaws nothing: what it held stays held.
    if (error instanceof WorkerGone) throw error;
    release(guest);
    throw error;
  }
  release(guest);
}

const release = (guest: WorldGuest): void => {
  if (guest.config.current['lock'] === 'backup') guest.config.current = without(guest.config.current, 'lock');
};

async function carryOut(
  cluster: Cluster,
  node: string,
  guest: WorldGuest,
  order: BackupOrder,
  worker: Worker,
): Promise<void> {
  const { vmid } = guest;
  const { timing, machines, volumes } = cluster;
  const wasRunning = machines.get(vmid) !== undefined;
  const mode = wasRunning ? order.mode : 'stop';
  worker.log(`INFO: status = ${wasRunning ? 'running' : 'stopped'}`);
  worker.log(`INFO: backup mode: ${mode}`);
  if (guest.config.current['name'] !== undefined) worker.log(`INFO: VM Name: ${guest.config.current['name']}`);
  const disks = backupDisks(guest).filter(({ drive, included, reason }) => {
    if (!included) worker.log(`INFO: exclude disk '${drive.slot}' '${drive.file}' (${reason})`);
    return included;
  });
  let bytes = 0;
  for (const { drive } of disks) {
    volumes.activeStorage(drive.file.split(':')[0]!, node);
    const volume = volumes.find(drive.file, node);
    if (!volume) throw failed(`volume '${drive.file}' does not exist`);
    worker.log(`INFO: include disk '${drive.slot}' '${drive.file}' ${formatSize(volume.bytes)}`);
    bytes += volume.bytes;
  }
  const wasPaused = machines.get(vmid)?.qmp === 'paused';
  if (wasRunning && mode === 'stop') await shutDown(cluster, guest, order, worker);
  if (mode === 'suspend' && !wasPaused) {
    worker.log('INFO: suspending guest');
    machines.get(vmid)!.qmp = 'paused';
    machines.changed(vmid);
    await worker.takes(timing.stopMs);
  }
  // Without a process there is nobody to copy the disks: one is started whose processor stands still.
  if (mode === 'stop') {
    worker.log('INFO: starting kvm to execute backup task');
    await worker.takes(timing.startMs);
    machines.start(vmid, node, guest.config.current, timing.bootMs).qmp = 'prelaunch';
    machines.changed(vmid);
    guest.running = true;
  }
  try {
    const archive = archiveName(cluster, vmid, order);
    worker.log(`INFO: creating vzdump archive '${dumpFolder(volumes.storage(order.storage))}/${archive}'`);
    await takeHold(cluster, vmid, mode, worker, wasPaused);
    worker.log(`INFO: started backup task '${newUuid()}'`);
    if ((wasRunning && mode === 'stop') || (mode === 'suspend' && !wasPaused)) {
      worker.log('INFO: resuming VM again');
      const machine = machines.get(vmid);
      if (machine) goOn(cluster, machine);
    }
    await worker.takes(order.durationMs ?? copyMs(cluster, bytes, order.bandwidth));
    // What ends QEMU ends the copy with it.
    if (!machines.get(vmid)) throw failed(`VM ${vmid} not running`);
    worker.log(`INFO: 100% (${humanBytes(bytes)} of ${humanBytes(bytes)})`);
    storeArchive(cluster, node, guest, archive, order, order.compress === '0' ? bytes : Math.floor(bytes / 2), worker);
  } finally {
    const machine = machines.get(vmid);
    if (!wasRunning && machine?.qmp === 'prelaunch') {
      worker.log('INFO: stopping kvm after backup task');
      cluster.halt(vmid);
    }
  }
}

/** Freezes the file systems through the agent for the moment in which QEMU takes hold of the disks. */
async function takeHold(
  cluster: Cluster,
  vmid: number,
  mode: BackupMode,
  worker: Worker,
  wasPaused: boolean,
): Promise<void> {
  const machine = cluster.machines.get(vmid)!;
  const asked = agentEnabled(machine.options) && mode === 'snapshot' && !wasPaused;
  const answers = machine.trouble === 'none' && cluster.guestAgents && cluster.machines.isBooted(machine);
  const wanted = !/(?:^|,)(?:freeze-fs|freeze-fs-on-backup|guest-fsfreeze)=0/.test(machine.options['agent'] ?? '');
  if (asked && !answers) worker.log("INFO: skipping guest-agent 'fs-freeze', agent configured but not running?");
  else if (asked && !wanted) worker.log("INFO: skipping guest-agent 'fs-freeze', disabled in VM options");
  else if (asked) {
    worker.log("INFO: issuing guest-agent 'fs-freeze' command");
    machine.frozen = true;
    try {
      await worker.takes(freezeMs);
    } catch (error) {
      if (!(error instanceof WorkerGone)) machine.frozen = false;
      throw error;
    }
    worker.log("INFO: issuing guest-agent 'fs-thaw' command");
    machine.frozen = false;
  }
}

async function shutDown(cluster: Cluster, guest: WorldGuest, order: BackupOrder, worker: Worker): Promise<void> {
  worker.log('INFO: stopping virtual guest');
  const machine = cluster.machines.get(guest.vmid)!;
  const isDeaf = machine.trouble === 'hang' || machine.trouble === 'lose-disk' || machine.qmp !== 'running';
  await worker.takes(isDeaf ? order.stopWaitMs : Math.min(cluster.timing.shutdownMs, order.stopWaitMs));
  if (isDeaf) throw failed(`command 'qm shutdown ${guest.vmid} --skiplock --keepActive' failed: exit code 255`);
  cluster.halt(guest.vmid);
}

const copyMs = (cluster: Cluster, bytes: number, kibPerSecond: number): number => {
  const fastest = cluster.timing.copyBytesPerSecond;
  return (bytes / (kibPerSecond > 0 ? Math.min(fastest, kibPerSecond * 1024) : fastest)) * 1000;
};

const duration = (ms: number): string => new Date(ms).toISOString().slice(11, 19);
