import type { Cluster } from '../../cluster/cluster.ts';
import { formatDrive, isCloudInit } from '../../cluster/drive.ts';
import type { Drive } from '../../cluster/drive.ts';
import { formatting } from '../../cluster/qemu-img.ts';
import { WorkerGone } from '../../cluster/tasks.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { formatSize, humanBytes, parseVolume } from '../../cluster/volumes.ts';
import type { VolumeFormat } from '../../cluster/volumes.ts';
import { without } from '../../without.ts';
import { guestFirewall } from '../../world/firewall.ts';
import { emptyConfig } from '../../world/guest-config.ts';
import type { Options } from '../../world/guest-config.ts';
import { isShared, pathOf } from '../../world/world.ts';
import type { WorldGuest, WorldStorage, WorldVolume } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { planClone, targetOf } from './clone-plan.ts';
import type { ClonePlan } from './clone-plan.ts';

/** Makes a volume under the storage's lock, and says so as the tools below would. */
async function allocate(
  cluster: Cluster,
  node: string,
  storage: WorldStorage,
  name: () => string,
  bytes: number,
  worker: Worker,
  tell: (name: string) => void,
): Promise<WorldVolume> {
  const block = pathOf(storage) === undefined;
  const ms = Number(
    storage.options['sim-allocate-ms'] ?? (block ? cluster.timing.allocateBlockMs : cluster.timing.allocateFileMs),
  );
  return cluster.locks.storage(node, storage.id, isShared(storage), 10_000, async () => {
    const chosen = name();
    tell(chosen);
    await worker.takes(ms);
    return cluster.volumes.allocate(storage, node, chosen, bytes);
  });
}

/** What cloud-init reads, and the state of a TPM. */
const smallImageBytes = 4 * 2 ** 20;

async function copyDrive(
  call: Call,
  newid: number,
  drive: Drive,
  worker: Worker,
): Promise<{ file: string; volume: WorldVolume; bytes: number }> {
  const { cluster, node, args } = call;
  const { volumes, timing } = cluster;
  const from = parseVolume(drive.file);
  const storage = volumes.activeStorage(args.text('storage') ?? from?.storage ?? drive.file.split(':')[0]!, node);
  const allowed = volumes.formatsOf(storage);
  const wanted = (args.text('format') ?? from?.format ?? 'raw') as VolumeFormat;
  const format = allowed.includes(wanted) ? wanted : allowed[0]!;
  const source = volumes.find(drive.file, node)?.bytes;
  if (source === undefined && !isCloudInit(drive)) throw failed(`volume '${drive.file}' does not exist`);
  // Images of a size of their own are made, whatever the source's are like.
  const bytes = isCloudInit(drive) || drive.slot === 'tpmstate0' ? smallImageBytes : source!;
  worker.log(`create full clone of drive ${drive.slot} (${drive.file})`);
  const name = (): string => volumes.nextName(storage, node, newid, format, isCloudInit(drive) ? 'cloudinit' : 'disk');
  const volume = await allocate(cluster, node, storage, name, bytes, worker, (chosen) => {
    for (const line of formatting(storage, chosen, format, bytes)) worker.log(line);
  });
  const file = `${storage.id}:${volume.name}`;
  worker.log(`allocated target volume '${file}'`);
  if (!isCloudInit(drive)) {
    const total = humanBytes(bytes);
    worker.log(`transferred 0.0 B of ${total} (0.00%)`);
    await worker.takes((bytes / timing.copyBytesPerSecond) * 1000);
    worker.log(`transferred ${total} of ${total} (100.00%)`);
  }
  return { file, volume, bytes };
}

async function linkDrive(
  call: Call,
  newid: number,
  drive: Drive,
  worker: Worker,
): Promise<{ file: string; volume: WorldVolume; bytes: number }> {
  const { cluster, node } = call;
  const { volumes } = cluster;
  const from = parseVolume(drive.file)!;
  const storage = volumes.activeStorage(from.storage, node);
  const base = volumes.find(drive.file, node);
  if (!base) throw failed(`volume '${drive.file}' does not exist`);
  worker.log(`create linked clone of drive ${drive.slot} (${drive.file})`);
  const path = pathOf(storage);
  const format: VolumeFormat = path === undefined ? 'raw' : 'qcow2';
  const name = (): string => `${from.name}/${volumes.nextName(storage, node, newid, format)}`;
  const volume = await allocate(cluster, node, storage, name, base.bytes, worker, (chosen) => {
    if (path === undefined) return;
    const leaf = chosen.split('/').at(-1)!;
    worker.log(`clone ${from.leaf}: images, ${leaf}, ${newid} to ${leaf} (base=../${from.leaf})`);
    worker.log(
      `Formatting '${path}/images/${newid}/${leaf}', fmt=qcow2 cluster_size=131072 extended_l2=on preallocation=metadata compression_type=zlib size=${base.bytes} backing_file=../${from.leaf} backing_fmt=${from.format} lazy_refcounts=off refcount_bits=16`,
    );
  });
  return { file: `${storage.id}:${volume.name}`, volume, bytes: base.bytes };
}

/** The worker: disk after disk into a configuration that is locked until the end; undone when anything fails. */
async function cloneGuest(call: Call, vmid: number, newid: number, plan: ClonePlan, worker: Worker): Promise<void> {
  const { cluster, node, args } = call;
  const guest: WorldGuest = { vmid: newid, node, config: emptyConfig(), running: false };
  guest.config.current = { lock: 'clone', description: 'qmclone temporary file' };
  const made: WorldVolume[] = [];
  if (cluster.hasId(newid)) {
    throw failed(`close (rename) atomic file '/etc/pve/nodes/${node}/qemu-server/${newid}.conf' failed: File exists`);
  }
  cluster.world.guests.set(newid, guest);
  const firewall = cluster.world.firewalls.get(guestFirewall(vmid));
  if (firewall) cluster.world.firewalls.set(guestFirewall(newid), structuredClone(firewall));
  try {
    const done: Options = {};
    for (const { drive, full } of plan.drives) {
      const { file, volume, bytes } = await (full ? copyDrive : linkDrive)(call, newid, drive, worker);
      made.push(volume);
      const rest = without(drive.options, 'format', 'size');
      done[drive.slot] = formatDrive({ ...drive, file, options: { ...rest, size: formatSize(bytes) } });
      guest.config.current = { ...plan.options, ...done, lock: 'clone' };
    }
    // Said on the worker's standard error only: no warning that counts.
    const left = args.has('snapname') ? [] : Object.keys(cluster.load(node, vmid).config.pending);
    if (left.length > 0) worker.log(`found pending changes for '${left.join(',')}', discarding for clone`);
    guest.config.current = { ...plan.options, ...done };
    const target = targetOf(call);
    if (target !== undefined) guest.node = target;
    const pool = args.text('pool');
    if (pool !== undefined) {
      for (const other of cluster.world.pools.values()) other.vms.delete(newid);
      cluster.world.pools.get(pool)?.vms.add(newid);
    }
  } catch (error) {
    // A worker that is gone cannot tidy up: its volumes and its locked configuration stay.
    if (error instanceof WorkerGone) throw error;
    for (const volume of made) cluster.volumes.free(volume);
    cluster.world.guests.delete(newid);
    cluster.world.firewalls.delete(guestFirewall(newid));
    throw failed(`clone failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A lock file waits this long for a clone, whose caller may well ask for another id. */
const cloneLockWaitMs = 1000;

export const cloneHandlers: Readonly<Record<string, Handler>> = {
  'POST /nodes/{node}/qemu/{vmid}/clone': (call) => {
    const { cluster, node, args, who } = call;
    const vmid = Number(args.need('vmid'));
    const newid = Number(args.need('newid'));
    const running = cluster.isRunning(node, vmid);
    planClone(call, vmid, newid);
    cluster.log(`${who.id} clones ${vmid} to ${newid}`);
    return fork(call, 'qmclone', String(vmid), (worker) => {
      const clone = async (): Promise<void> => {
        if (cluster.isRunning(node, vmid) !== running) throw failed('unexpected state change');
        const plan = planClone(call, vmid, newid);
        worker.log(`creating a clone of VM ${vmid} with ID ${newid}`);
        await cloneGuest(call, vmid, newid, plan, worker);
      };
      const locked = (): Promise<void> => cluster.locks.guest(node, newid, cloneLockWaitMs, clone);
      return cluster.locks.guest(node, vmid, cloneLockWaitMs, locked, !running);
    }).upid;
  },
};
