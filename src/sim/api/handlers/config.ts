import { createHash } from 'node:crypto';
import { check } from '../../access/permissions.ts';
import { requireDriveRights, requireDeviceRights, requireVolumes } from '../../access/device-rights.ts';
import { requireBridges, requireOptionRights } from '../../access/option-rights.ts';
import {
  formatCard,
  formatDrive,
  isCdrom,
  isCloudInit,
  isConsistent,
  isDriveSlot,
  parseCard,
  parseDrive,
} from '../../cluster/drive.ts';
import { newMac, newUuid } from '../../cluster/identity.ts';
import { applyPending, cleanPending, detach, hotplugPending } from '../../cluster/pending.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { requireTags, uniqueTags } from '../../cluster/tags.ts';
import { bootOrderOf } from '../../cluster/boot-order.ts';
import { volumeParts } from '../../cluster/volumes.ts';
import { without } from '../../without.ts';
import { digestOf } from '../../world/guest-config.ts';
import type { Options } from '../../world/guest-config.ts';
import type { WorldGuest } from '../../world/world.ts';
import { badParameter, failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { isOption } from './config-view.ts';
import { makeDisk } from './new-disk.ts';
import { refuseSkiplock } from './power.ts';

const vmidOf = (call: Call): number => Number(call.args.need('vmid'));

/** What an update asks for, after everything that can be refused without looking at the guest. */
type Update = {
  readonly set: Options;
  readonly deletions: string[];
  readonly reverts: string[];
  readonly force: boolean;
  readonly said: string;
};

function readUpdate(call: Call): Update {
  const {
    force,
    delete: deleted,
    revert,
    ...set
  } = without(call.args.rest(), 'background_delay', 'digest', 'skiplock');
  const said = Object.entries({
    ...set,
    ...(deleted === undefined ? {} : { delete: deleted }),
    ...(revert === undefined ? {} : { revert }),
  })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `-${key} ${key === 'cipassword' ? '<hidden>' : value}`)
    .join(' ');
  refuseSkiplock(call);
  if (set['cipassword'] !== undefined && !/^\$(?:[156]|2[ay])(?:\$.+){2}/.test(set['cipassword'])) {
    const salt = newUuid().slice(0, 8);
    set['cipassword'] = `$5$${salt}$${createHash('sha256')
      .update(salt + set['cipassword'])
      .digest('base64')
      .replace(/[+=]/g, '.')}`;
  }
  normalize(set);
  // A list of nothing asks for nothing.
  if (Object.keys(set).length === 0 && !deleted && !revert) throw failed('no options specified');
  resolveCdrom(set);
  const reverts = list(revert);
  for (const option of reverts) {
    if (!isOption(option)) throw badParameter({ revert: `unknown option '${option}'` });
    if (set[option] !== undefined)
      throw badParameter({ delete: `you can't use '-${option}' and '-revert ${option}' at the same time` });
  }
  const deletions = list(deleted).map((option) => (option === 'cdrom' ? 'ide2' : option));
  for (const option of deletions) {
    if (set[option] !== undefined)
      throw badParameter({ delete: `you can't use '-${option}' and -delete ${option}' at the same time` });
    if (reverts.includes(option))
      throw badParameter({ revert: `you can't use '-delete ${option}' and '-revert ${option}' at the same time` });
    if (!isOption(option)) throw badParameter({ delete: `unknown option '${option}'` });
  }
  return { set, deletions, reverts, force: force === '1', said };
}

/** Before anything is looked at: keys must be keys, and a weight is cut to what a control group takes. */
export function normalize(set: Options): void {
  if (set['sshkeys'] !== undefined) requireKeys(set['sshkeys']);
  if (set['cpuunits'] !== undefined) set['cpuunits'] = String(Math.min(Number(set['cpuunits']), mostCpuUnits));
}

/** `cdrom` is another name of `ide2`. */
export function resolveCdrom(set: Options): void {
  if (set['cdrom'] === undefined) return;
  if (set['ide2'] !== undefined) throw badParameter({ cdrom: "option conflicts with parameter 'ide2'" });
  set['ide2'] = set['cdrom'].includes('media=') ? set['cdrom'] : `${set['cdrom']},media=cdrom`;
  Reflect.deleteProperty(set, 'cdrom');
}

/** The weight a control group of version 2 takes. */
const mostCpuUnits = 10_000;

const list = (text: string | undefined): string[] => (text ?? '').split(/[,;\s]+/).filter(Boolean);

/** Keys arrive percent-encoded inside the form's own encoding; what is decoded must be keys. */
function requireKeys(encoded: string): void {
  const keys = decodeURIComponent(encoded)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  if (!keys.every((line) => /(?:^|\s)(?:ssh-|ecdsa-|sk-)[\w@.-]+\s+[A-Za-z0-9+/=]+/.test(line))) {
    throw failed('SSH public key validation error');
  }
}

/** Cards get an address, drives their canonical shape, before anything is written. */
export function complete(call: Call, set: Options): void {
  for (const [key, value] of Object.entries(set)) {
    if (isDriveSlot(key)) {
      const drive = parseDrive(key, value);
      if (!drive || !isConsistent(drive)) throw badParameter({ [key]: 'unable to parse drive options' });
      if (drive.options['import-from'] !== undefined && !/^(?:[^/:\s]+:)?0+(?:\.0+)?$/.test(drive.file)) {
        const text = "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>";
        throw badParameter({ [key]: text });
      }
      if (volumeParts(drive.file)?.content === 'iso' && drive.options['media'] !== 'cdrom') {
        throw badParameter({ [key]: "explicit 'media=cdrom' is required for iso images" });
      }
      set[key] = formatDrive(drive);
    } else if (/^net\d+$/.test(key)) {
      const card = parseCard(value);
      if (!card) throw badParameter({ [key]: 'unable to parse network options' });
      set[key] = formatCard({
        ...card,
        macaddr: card.macaddr?.toUpperCase() ?? newMac(call.cluster.world.datacenter['mac_prefix']),
      });
    } else if (key === 'vmgenid' && value === '1') set[key] = newUuid();
    else if (key === 'hookscript') requireHookscript(call, value);
  }
}

function requireHookscript(call: Call, volid: string): void {
  const refuse = (text: string): Error => badParameter({ hookscript: `${text}\n` });
  const { storage, name, content } = volumeParts(volid) ?? { storage: volid, name: '', content: undefined };
  if (!call.cluster.world.storages.has(storage)) throw refuse(`storage '${storage}' does not exist`);
  if (content !== 'snippets') throw refuse(`'${volid}' is not in the snippets directory`);
  const exists = call.cluster.volumes.onNode(storage, call.node).some((volume) => volume.name === name);
  if (!exists) throw refuse(`script '${volid}' does not exist`);
}

function requireRights(call: Call, update: Pick<Update, 'set' | 'deletions'>): void {
  const { cluster, who } = call;
  const vmid = vmidOf(call);
  requireOptionRights(cluster.world, who, vmid, update.deletions);
  requireOptionRights(cluster.world, who, vmid, Object.keys(update.set));
  requireVolumes(call, vmid, update.set);
  requireBridges(cluster.world, who, cardsOf(update.set));
}

export const cardsOf = (options: Options): string[] =>
  Object.keys(options)
    .filter((key) => /^net\d+$/.test(key))
    .map((key) => options[key]!);

/** Writes the wishes down as pending, then lets the guest take on what it can. */
async function carryOut(
  call: Call,
  guest: WorldGuest,
  update: Update,
  worker: Pick<Worker, 'takes' | 'log'>,
): Promise<void> {
  const { cluster } = call;
  const { config } = guest;
  for (const option of update.deletions) {
    const value = config.current[option] ?? config.pending[option];
    if (value === undefined) {
      // Said on the worker's standard error only: no warning that counts.
      worker.log(`cannot delete '${option}' - not set in current configuration!`);
      continue;
    }
    const wasPending = config.pending[option];
    leaveBootOrder(guest, option);
    config.pending = without(config.pending, option);
    if (/^unused\d+$/.test(option)) {
      requireUnprotected(guest, `can't remove unused disk '${value}'`);
      check(cluster.world, call.who, `/vms/${guest.vmid}`, ['VM.Config.Disk']);
      const volume = cluster.volumes.find(value, guest.node);
      if (volume) cluster.volumes.free(volume);
      config.current = without(config.current, option);
    } else if (option === 'vmstate') {
      requireUnprotected(guest, `can't remove vmstate '${value}'`);
      const volume = cluster.volumes.find(value, guest.node);
      if (volume) cluster.volumes.free(volume);
      config.current = without(config.current, option);
    } else if (isDriveSlot(option)) {
      requireUnprotected(guest, `can't remove drive '${option}'`);
      requireDriveRights(call, guest.vmid, option, value);
      if (wasPending !== undefined) detach(cluster, guest, option, wasPending);
      config.pendingDelete.set(option, update.force);
    } else if (option === 'tags') {
      requireTags(cluster.world, call.who, guest.vmid, value, '');
      config.current = without(config.current, option);
    } else {
      requireDeviceRights(call, guest.vmid, option, value, 'delete');
      requireBridgeOfOld(call, guest, option);
      config.pendingDelete.set(option, false);
    }
  }
  for (const [option, wanted] of Object.entries(update.set)) {
    if (config.pending[option] === wanted) continue;
    let value = wanted;
    if (isDriveSlot(option)) {
      const old = config.current[option];
      if (old !== undefined) requireDriveRights(call, guest.vmid, option, old);
      requireDriveRights(call, guest.vmid, option, wanted);
      if (config.pending[option] !== undefined) detach(cluster, guest, option, config.pending[option]);
      value = await makeDisk(call, guest, option, wanted, worker);
      bootFromCdrom(guest, option, wanted);
    }
    requireDeviceRights(call, guest.vmid, option, wanted, 'set', config.current[option]);
    requireBridgeOfOld(call, guest, option);
    if (option === 'boot') requireBootDevices(guest, update, wanted);
    // An order of devices takes the place of the one boot disk of old.
    if (option === 'boot' && wanted.includes('order=') && config.current['bootdisk'] !== undefined)
      config.pendingDelete.set('bootdisk', false);
    // Never waits: only the next image for cloud-init says it.
    if (option === 'cipassword') {
      config.current['cipassword'] = wanted;
      config.pendingDelete.delete(option);
      continue;
    }
    if (option === 'tags') {
      requireTags(cluster.world, call.who, guest.vmid, config.current['tags'] ?? '', wanted);
      value = uniqueTags(cluster.world, wanted);
    }
    // What ends a description in the file's comment does not come back from it.
    if (option === 'description') value = wanted.trimEnd();
    config.pending[option] = value;
    config.pendingDelete.delete(option);
  }
  cleanPending(guest);
  if (cluster.machines.get(guest.vmid)) hotplugPending(cluster, guest);
  else applyPending(cluster, guest);
}

/** Taking a card off a bridge needs the right to use that bridge, too. */
function requireBridgeOfOld(call: Call, guest: WorldGuest, option: string): void {
  const card = guest.config.current[option];
  if (/^net\d+$/.test(option) && card !== undefined) requireBridges(call.cluster.world, call.who, [card]);
}

/** A CD that is put in is booted from too, after everything that was asked for. */
function bootFromCdrom(guest: WorldGuest, slot: string, value: string): void {
  const { current, pending } = guest.config;
  const drive = parseDrive(slot, value);
  if (!drive || !isCdrom(drive) || isCloudInit(drive)) return;
  const devices = /^order=([^,]*)$/
    .exec(pending['boot'] ?? current['boot'] ?? '')?.[1]
    ?.split(';')
    .filter(Boolean);
  if (devices === undefined || devices.length === 0 || devices.includes(slot)) return;
  pending['boot'] = `order=${[...devices, slot].join(';')}`;
}

/** A device that goes away is not booted from. */
function leaveBootOrder(guest: WorldGuest, device: string): void {
  const boot = guest.config.pending['boot'] ?? guest.config.current['boot'] ?? '';
  const devices = /^order=([^,]*)$/.exec(boot)?.[1]?.split(';');
  if (!devices?.includes(device)) return;
  guest.config.pending['boot'] = bootOrderOf(devices.filter((one) => one !== device));
}

/** A boot order names devices that the guest has, or gets by the same call. */
function requireBootDevices(guest: WorldGuest, update: Update, order: string): void {
  for (const device of /order=([^,]*)/.exec(order)?.[1]?.split(';').filter(Boolean) ?? []) {
    const exists = guest.config.current[device] ?? guest.config.pending[device] ?? update.set[device];
    // The stray quote is in the original.
    if (exists === undefined || update.deletions.includes(device))
      throw failed(`invalid bootorder: device '${device}' does not exist'`);
  }
}

function requireUnprotected(guest: WorldGuest, what: string): void {
  if (guest.config.current['protection'] === '1') throw failed(`${what} - protection mode enabled`);
}

function balloonFits(update: Update, guest: WorldGuest): void {
  const { memory, balloon } = update.set;
  if (memory === undefined && balloon === undefined) return;
  const most = Number(
    /(\d+)/.exec(memory ?? guest.config.pending['memory'] ?? guest.config.current['memory'] ?? '512')?.[1],
  );
  const wanted = Number(balloon ?? guest.config.pending['balloon'] ?? guest.config.current['balloon'] ?? 0);
  if (wanted > most) throw failed('balloon value too large (must be smaller than assigned memory)');
}

export async function updateConfig(call: Call, sync: boolean): Promise<string | null> {
  const { cluster, node, args } = call;
  const vmid = vmidOf(call);
  const update = readUpdate(call);
  complete(call, update.set);
  requireRights(call, update);
  return cluster.locks.guest(node, vmid, 10_000, async () => {
    const guest = cluster.load(node, vmid);
    if (args.has('digest') && args.text('digest') !== digestOf(guest.config)) {
      throw failed('checksum mismatch (file change by other user?)');
    }
    discardState(update, guest);
    cluster.requireUnlocked(guest);
    revert(update, guest);
    balloonFits(update, guest);
    cluster.requireWritable(node, vmid);
    if (sync) {
      await cluster.clock.sleep(cluster.timing.configMs);
      await carryOut(call, guest, update, {
        log: () => undefined,
        takes: (ms) => cluster.clock.sleep(ms),
      });
      return null;
    }
    const task = fork(call, 'qmconfig', String(vmid), async (worker) => {
      worker.log(`update VM ${vmid}: ${update.said}`);
      await worker.takes(cluster.timing.configMs);
      await carryOut(call, guest, update, worker);
    });
    const delay = args.number('background_delay');
    if (delay === undefined) return task.upid;
    const ended = new AbortController();
    await Promise.race([task.ended.then(() => ended.abort()), cluster.clock.sleep(delay * 1000, ended.signal)]);
    if (task.running) return task.upid;
    if (task.exit !== 'OK') throw failed(`failed to update VM ${vmid}: ${task.exit ?? ''}`);
    return null;
  });
}

/** To delete the state a guest was suspended with is to unlock it, and to forget what it ran with. */
function discardState(update: Update, guest: WorldGuest): void {
  const { current } = guest.config;
  if (!update.deletions.includes('vmstate')) return;
  if (current['lock'] === 'suspended') guest.config.current = without(current, 'lock');
  for (const option of ['runningmachine', 'runningcpu', 'running-nets-host-mtu'])
    if (current[option] !== undefined) update.deletions.push(option);
}

/** Taking a wish back: what is pending becomes what is current. */
function revert(update: Update, guest: WorldGuest): void {
  for (const option of update.reverts) {
    const current = guest.config.current[option];
    if (current !== undefined) update.set[option] = current;
    else if (guest.config.pending[option] !== undefined) update.deletions.push(option);
  }
}

const guest = '/nodes/{node}/qemu/{vmid}';

export const configHandlers: Readonly<Record<string, Handler>> = {
  [`PUT ${guest}/cloudinit`]: (call) => {
    const guest = call.cluster.load(call.node, vmidOf(call));
    call.cluster.requireUnlocked(guest);
    guest.config.cloudInit = undefined;
    return null;
  },
  [`PUT ${guest}/config`]: (call) => updateConfig(call, true),
  [`POST ${guest}/config`]: (call) => updateConfig(call, false),
};
