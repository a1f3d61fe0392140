import { has } from '../access/permissions.ts';
import type { Identity } from '../access/permissions.ts';
import { notPermitted } from '../api/refusal.ts';
import type { World } from '../world/world.ts';

const split = (tags: string): string[] => tags.split(/[;,\s]+/).filter(Boolean);

/** Lower case, sorted, each once: how Proxmox stores tags unless the datacenter says otherwise. */
export const uniqueTags = (tags: string): string =>
  [...new Set(split(tags).map((tag) => tag.toLowerCase()))].sort().join(';');

/** The datacenter may keep tags to itself: registered ones, or all but a list. */
export function requireTags(world: World, who: Identity, vmid: number, before: string, after: string): void {
  if (who.id === 'root@pam' || has(world, who, '/', 'Sys.Modify')) return;
  if (!has(world, who, `/vms/${vmid}`, 'VM.Config.Options')) throw notPermitted(`/vms/${vmid}, VM.Config.Options`);
  const was = new Set(split(before));
  const is = new Set(split(after));
  const changed = [...was, ...is].filter((tag) => was.has(tag) !== is.has(tag));
  const access = world.datacenter['user-tag-access'] ?? '';
  const mode = /user-allow=(\w+)/.exec(access)?.[1] ?? 'free';
  const allowed = new Set(split(/user-allow-list=([^,]+)/.exec(access)?.[1] ?? ''));
  const registered = new Set(split(world.datacenter['registered-tags'] ?? ''));
  for (const tag of changed) {
    const free =
      !registered.has(tag) &&
      (mode === 'free' || (mode !== 'none' && allowed.has(tag)) || (mode === 'existing' && known(world, tag)));
    if (!free) throw notPermitted(`/, Sys.Modify for modifying tag '${tag}'`);
  }
}

const known = (world: World, tag: string): boolean =>
  [...world.guests.values()].some((guest) => split(guest.config.current['tags'] ?? '').includes(tag));
