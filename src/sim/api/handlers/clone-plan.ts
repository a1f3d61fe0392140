import { requireBridges } from '../../access/option-rights.ts';
import { check } from '../../access/permissions.ts';
import { drivesOf, formatCard, isCdrom, isCloudInit, isDriveSlot, parseCard, parseDrive } from '../../cluster/drive.ts';
import type { Drive } from '../../cluster/drive.ts';
import { newMac, newUuid } from '../../cluster/identity.ts';
import type { Options } from '../../world/guest-config.ts';
import { isShared } from '../../world/world.ts';
import { badParameter, failed, notPermitted } from '../refusal.ts';
import type { Call } from '../operation.ts';

/** What a clone is about to be, known before the worker is forked. */
export type ClonePlan = {
  readonly options: Options;
  readonly drives: readonly { readonly drive: Drive; readonly full: boolean }[];
};

/** Never inherited: they tell of the source's past, or belong to its id. */
const left = new Set([
  'parent',
  'snaptime',
  'vmstate',
  'snapstate',
  'lock',
  'template',
  'runningmachine',
  'runningcpu',
  'running-nets-host-mtu',
]);

/** Everything that can be refused at once, in the order it is. */
export function planClone(call: Call, vmid: number, newid: number): ClonePlan {
  const { cluster, node, args, who } = call;
  const { volumes, world } = cluster;
  const pool = args.text('pool');
  const storage = args.text('storage');
  const target = targetOf(call);
  if (pool !== undefined && !world.pools.has(pool)) throw notPermitted(`pool '${pool}' does not exist`);
  if (target !== undefined) cluster.requireNode(target);
  if (storage !== undefined) {
    const chosen = volumes.enabledStorage(storage, node);
    if (!volumes.contentOf(chosen).includes('images'))
      throw badParameter({ storage: `storage '${storage}' does not support vm images` });
    if (target !== undefined) {
      volumes.enabledStorage(storage, target);
      if (!isShared(chosen)) throw failed(`can't clone to non-shared storage '${storage}'`);
    }
  }
  cluster.requireQuorum(node);
  const guest = cluster.load(node, vmid);
  cluster.requireUnlocked(guest);
  const snapname = args.text('snapname');
  const source = snapname === undefined ? guest.config.current : guest.config.snapshots.get(snapname);
  if (!source) throw failed(`snapshot '${snapname!}' does not exist`);
  const full = args.has('full') ? args.flag('full') : guest.config.current['template'] !== '1';
  if (storage !== undefined && !full) throw failed("parameter 'storage' not allowed for linked clones");
  if (args.has('format') && !full) throw failed("parameter 'format' not allowed for linked clones");
  const sharedGuest = requireStorages(call, source, storage);
  if (target !== undefined && !sharedGuest) throw failed(`can't clone VM to node '${target}' (VM uses local storage)`);
  requireBridges(
    world,
    who,
    Object.keys(source)
      .filter((key) => /^net\d+$/.test(key))
      .map((key) => source[key]!),
  );
  if (cluster.guestOn(node, newid)) throw failed(`unable to create VM ${newid}: config file already exists`);
  return inherit(call, vmid, source, full);
}

export const targetOf = (call: Call): string | undefined => {
  const target = call.args.text('target');
  return target === call.node || target === 'localhost' ? undefined : target;
};

/** Space is taken where the disks are, or on the chosen storage. Says whether all of it is shared. */
function requireStorages(call: Call, source: Options, storage: string | undefined): boolean {
  const { cluster, who } = call;
  let shared = true;
  for (const drive of drivesOf(source)) {
    if (drive.file === 'none') continue;
    if (drive.file === 'cdrom') {
      check(cluster.world, who, '/', ['Sys.Console']);
      continue;
    }
    const own = drive.file.split(':')[0]!;
    if (!isShared(cluster.volumes.storage(own))) shared = false;
    if (drive.options['media'] === 'cdrom') continue;
    check(cluster.world, who, `/storage/${storage ?? own}`, ['Datastore.AllocateSpace']);
  }
  const state = source['vmstatestorage'];
  if (state !== undefined) check(cluster.world, who, `/storage/${state}`, ['Datastore.AllocateSpace']);
  return shared;
}

/** Which options go along, with new addresses for the cards, and which disks are copied or linked. */
function inherit(call: Call, vmid: number, source: Options, full: boolean): ClonePlan {
  const { cluster, args } = call;
  const ofSnapshot = args.has('snapname');
  const options: Options = {};
  const drives: { drive: Drive; full: boolean }[] = [];
  for (const key of Object.keys(source).sort()) {
    const value = source[key]!;
    if (left.has(key) || /^unused\d+$/.test(key)) continue;
    if (key === 'tpmstate0' && full && !ofSnapshot && cluster.machines.get(vmid)) {
      throw failed('cannot clone TPM state while VM is running');
    }
    if (/^net\d+$/.test(key)) {
      const card = parseCard(value);
      options[key] = card ? formatCard({ ...card, macaddr: newMac(cluster.world.datacenter['mac_prefix']) }) : value;
      continue;
    }
    const drive = isDriveSlot(key) ? parseDrive(key, value) : undefined;
    if (!drive || isCdrom(drive) || !drive.file.includes(':')) {
      options[key] = value;
      continue;
    }
    const copied = full || isCloudInit(drive) || key === 'tpmstate0';
    if (!cluster.volumes.can(copied ? 'copy' : 'linked', drive.file, ofSnapshot)) {
      const what = ofSnapshot ? `a snapshot of '${drive.file}'` : `'${drive.file}'`;
      throw failed(`${copied ? 'Full' : 'Linked'} clone feature is not supported for ${what} (${key})`);
    }
    drives.push({ drive, full: copied });
  }
  if (options['vmgenid'] !== undefined) options['vmgenid'] = newUuid();
  const smbios = (options['smbios1'] ?? '').split(',').filter((part) => part !== '' && !part.startsWith('uuid='));
  options['smbios1'] = [...smbios, `uuid=${newUuid()}`].sort().join(',');
  options['name'] =
    args.text('name') ?? (source['name'] === undefined ? `Copy-of-VM-${vmid}` : `Copy-of-VM-${source['name']}`);
  // Nothing said is nothing asked for.
  const description = args.text('description');
  if (description !== undefined && description !== '') options['description'] = description;
  return { options, drives };
}
