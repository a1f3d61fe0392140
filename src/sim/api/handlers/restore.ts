import { requireVolumeAccess } from '../../access/device-rights.ts';
import { check, has } from '../../access/permissions.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { drivesOf, formatCard, formatDrive, isCdrom, isDriveSlot, parseCard } from '../../cluster/drive.ts';
import { newMac, newUuid } from '../../cluster/identity.ts';
import { startGuest } from '../../cluster/start.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { formatSize, parseSize, parseVolume } from '../../cluster/volumes.ts';
import { guestFirewall, parseFirewall } from '../../world/firewall.ts';
import { emptyConfig, parseGuestConfig } from '../../world/guest-config.ts';
import type { Options } from '../../world/guest-config.ts';
import type { WorldArchive, WorldGuest } from '../../world/world.ts';
import { badParameter, failed, notPermitted } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call } from '../operation.ts';

/** A guest is made by who may allocate it; one that is there may be put back by who may back it up, too. */
export function requireRestoreRights(call: Call, vmid: number): void {
  const { cluster, args, who } = call;
  const { world } = cluster;
  const pool = args.text('pool');
  const may =
    has(world, who, `/vms/${vmid}`, 'VM.Allocate') ||
    (pool !== undefined && has(world, who, `/pool/${pool}`, 'VM.Allocate')) ||
    (args.flag('force') && world.guests.has(vmid) && has(world, who, `/vms/${vmid}`, 'VM.Backup'));
  if (!may) throw notPermitted();
}

/** Puts a guest back from an archive: under the number it had, or under another one. */
export function restore(call: Call, vmid: number, set: Options): string {
  const { cluster, node, args } = call;
  const volid = args.need('archive');
  for (const option of Object.keys(set).sort())
    if (isDriveSlot(option)) throw badParameter({ [option]: "option conflicts with option 'archive'" });
  if (volid === '-') throw failed('pipe requires cli environment');
  requireVolumeAccess(call, vmid, volid, 'backup');
  const archive = cluster.world.archives.get(volid);
  const why = `unable to restore VM ${vmid} -`;
  const existing = cluster.world.guests.get(vmid);
  const owner = existing ?? cluster.world.containers.get(vmid);
  if (owner && (!args.flag('force') || existing?.node !== node)) {
    const kind = cluster.world.containers.has(vmid) ? 'CT' : 'VM';
    throw failed(`${why} ${kind} ${vmid} already exists on node '${owner.node}'`);
  }
  if (existing?.config.current['protection'] === '1') throw failed(`${why} - protection mode enabled`);
  if (existing && cluster.machines.get(vmid)) throw failed(`${why} vm is running`);
  const locked = existing?.config.current['lock'];
  if (locked !== undefined) throw failed(`${why} VM is locked (${locked})`);
  const guest = existing ?? { vmid, node, config: emptyConfig(), running: false };
  guest.config.current = { ...guest.config.current, lock: 'create' };
  cluster.world.guests.set(vmid, guest);
  return fork(call, 'qmrestore', String(vmid), async (worker) => {
    try {
      if (!archive) throw failed(`volume '${volid}' does not exist`);
      await unpack(call, guest, archive, set, worker);
    } catch (error) {
      if (!existing) {
        for (const volume of cluster.volumes.ownedBy(vmid, node)) cluster.volumes.free(volume);
        cluster.world.guests.delete(vmid);
      }
      throw failed(`${why} ${error instanceof Error ? error.message : String(error)}`);
    }
    const pool = args.text('pool');
    if (pool !== undefined) cluster.world.pools.get(pool)?.vms.add(vmid);
    if (args.flag('start')) await startGuest(cluster, node, vmid, worker);
  }).upid;
}

/** The guest is its archive again, with what the call says on top; what it had before is gone. */
async function unpack(
  call: Call,
  guest: WorldGuest,
  archive: WorldArchive,
  set: Options,
  worker: Worker,
): Promise<void> {
  const { cluster, node, args } = call;
  const { vmid } = guest;
  const saved = parseGuestConfig(archive.config.replace(/^#qmdump#.*\n/gm, '')).current;
  await cluster.locks.guest(node, vmid, 10_000, async () => {
    for (const drive of drivesOf(guest.config.current)) {
      const volume = cluster.volumes.find(drive.file, node);
      if (!volume || parseVolume(drive.file)?.owner !== vmid) continue;
      worker.log(`  removing volume '${drive.file}'`);
      cluster.volumes.free(volume);
    }
    const options: Options = { ...saved };
    for (const drive of drivesOf(saved)) {
      if (isCdrom(drive) || !parseVolume(drive.file)) continue;
      const wanted = args.text('storage') ?? drive.file.split(':')[0]!;
      check(cluster.world, call.who, `/storage/${wanted}`, ['Datastore.AllocateSpace']);
      const file = await restoreDisk(
        cluster,
        node,
        vmid,
        wanted,
        drive.file,
        parseSize(drive.options['size'] ?? '4M'),
        worker,
      );
      options[drive.slot] = formatDrive({ ...drive, file });
    }
    guest.config = emptyConfig({ ...(args.flag('unique') ? anew(options) : options), ...set, vmgenid: newUuid() });
    const firewall = archive.firewall;
    if (firewall !== undefined) cluster.world.firewalls.set(guestFirewall(vmid), parseFirewall(firewall));
  });
}

async function restoreDisk(
  cluster: Cluster,
  node: string,
  vmid: number,
  wanted: string,
  saved: string,
  bytes: number,
  worker: Worker,
): Promise<string> {
  const storage = cluster.volumes.activeStorage(wanted, node);
  const format = parseVolume(saved)?.format ?? 'raw';
  const allowed = cluster.volumes.formatsOf(storage);
  const kind = /-cloudinit(?:\.\w+)?$/.test(saved) ? 'cloudinit' : 'disk';
  const name = cluster.volumes.nextName(storage, node, vmid, allowed.includes(format) ? format : allowed[0]!, kind);
  cluster.volumes.allocate(storage, node, name, bytes);
  worker.log(`new volume ID is '${storage.id}:${name}'`);
  worker.log(`restore image of ${formatSize(bytes)}`);
  await worker.takes((bytes / cluster.timing.copyBytesPerSecond) * 1000);
  return `${storage.id}:${name}`;
}

/** Addresses of cards and the number of the board as no other guest has them. */
function anew(options: Options): Options {
  const cards = Object.entries(options)
    .filter(([key]) => /^net\d+$/.test(key))
    .map(([key, value]): [string, string] => {
      const card = parseCard(value);
      return [key, card ? formatCard({ ...card, macaddr: newMac() }) : value];
    });
  const board = /uuid=[0-9a-f-]+/i;
  return {
    ...options,
    ...Object.fromEntries(cards),
    ...(options['smbios1'] === undefined ? {} : { smbios1: options['smbios1'].replace(board, `uuid=${newUuid()}`) }),
  };
}
