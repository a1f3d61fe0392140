import { isDriveSlot } from '../cluster/drive.ts';
import { failed } from '../api/refusal.ts';
import type { World } from '../world/world.ts';
import { check, checkAny, has } from './permissions.ts';
import type { Identity } from './permissions.ts';

const needs: Record<string, readonly string[]> = {
  'VM.Config.CPU': ['cores', 'cpu', 'cpulimit', 'cpuunits', 'numa', 'smp', 'sockets', 'vcpus', 'runningcpu'],
  'VM.Config.Memory': ['allow-ksm', 'balloon', 'memory', 'shares'],
  'VM.Config.HWType': [
    ...[
      'acpi',
      'audio0',
      'hotplug',
      'kvm',
      'machine',
      'scsihw',
      'smbios1',
      'tablet',
      'vga',
      'watchdog',
      'rng0',
      'runningmachine',
    ],
  ],
  'VM.Config.Options': [
    ...['agent', 'autostart', 'bios', 'description', 'keyboard', 'localtime', 'migrate_downtime'],
    ...['migrate_speed', 'name', 'onboot', 'ostype', 'protection', 'reboot', 'startdate', 'startup', 'tdf', 'template'],
  ],
  'VM.PowerMgmt': ['freeze'],
  'VM.Config.Disk': ['boot', 'bootdisk', 'vmstatestorage'],
};
const needOf = new Map(
  Object.entries(needs).flatMap(([privilege, options]) => options.map((option) => [option, privilege])),
);
const cloudInit = new Set([
  'cicustom',
  'cipassword',
  'citype',
  'ciuser',
  'ciupgrade',
  'nameserver',
  'searchdomain',
  'sshkeys',
]);

/**
 * Refuses options somebody may not change. Disks, serial ports and tags are looked at elsewhere, by their value; what no
 * privilege covers (`args`, `hookscript`, `lock`...) is for root in person, and a token is not root.
 */
export function requireOptionRights(
  world: World,
  who: Identity,
  vmid: number,
  options: readonly string[],
  pool?: string,
): void {
  if (who.id === 'root@pam') return;
  // A guest that is made in a pool has the pool's rights before it is a member.
  const path = (privilege: string): string =>
    pool !== undefined && has(world, who, `/pool/${pool}`, privilege) ? `/pool/${pool}` : `/vms/${vmid}`;
  for (const option of options) {
    if (
      isDriveSlot(option) ||
      option === 'cdrom' ||
      option === 'tags' ||
      /^(?:unused|serial|usb|hostpci|virtiofs)\d+$/.test(option)
    )
      continue;
    if (option === 'vmstate') {
      check(world, who, `/vms/${vmid}`, ['VM.Config.Disk', 'VM.PowerMgmt']);
      continue;
    }
    const privilege = /^numa\d+$/.test(option) ? 'VM.Config.CPU' : needOf.get(option);
    if (privilege !== undefined) {
      check(world, who, path(privilege), [privilege]);
      if (option === 'startup') check(world, who, '/', ['Sys.Modify']);
    } else if (/^net\d+$/.test(option) || option === 'running-nets-host-mtu')
      check(world, who, path('VM.Config.Network'), ['VM.Config.Network']);
    else if (cloudInit.has(option) || /^ipconfig\d+$/.test(option)) {
      checkAny(world, who, path('VM.Config.Cloudinit'), ['VM.Config.Cloudinit', 'VM.Config.Network']);
    } else throw failed(`only root can set '${option}' config`);
  }
}

/** A card on a bridge needs the right to use it. */
export function requireBridges(world: World, who: Identity, cards: readonly string[]): void {
  for (const card of cards) {
    const bridge = /(?:^|,)bridge=([^,]+)/.exec(card)?.[1];
    const tag = /(?:^|,)tag=(\d+)/.exec(card)?.[1];
    if (bridge === undefined) continue;
    const path = `/sdn/zones/localnetwork/${bridge}`;
    check(world, who, tag === undefined ? path : `${path}/${tag}`, ['SDN.Use']);
  }
}
