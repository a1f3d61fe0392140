import { check, has } from '../access/permissions.ts';
import type { Identity } from '../access/permissions.ts';
import { notPermitted } from '../api/refusal.ts';
import type { World } from '../world/world.ts';

const split = (tags: string): string[] => tags.split(/[;,\s]+/).filter(Boolean);

/** Each once, and lower case and sorted unless the datacenter's `tag-style` says otherwise: how Proxmox stores tags. */
export function uniqueTags(world: World, tags: string): string {
  const style = world.datacenter['tag-style'] ?? '';
  const keepsCase = /(?:^|,)case-sensitive=(?:1|on|yes|true)\b/.test(style);
  const unique = [...new Set(split(tags).map((tag) => (keepsCase ? tag : tag.toLowerCase())))];
  return (/(?:^|,)ordering=config\b/.test(style) ? unique : unique.sort()).join(';');
}

/** The datacenter may keep tags to itself: registered ones, or all but a list. */
export function requireTags(world: World, who: Identity, vmid: number, before: string, after: string): void {
  check(world, who, `/vms/${vmid}`, ['VM.Config.Options']);
  if (has(world, who, '/', 'Sys.Modify')) return;
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
      (mode === 'free' || (mode !== 'none' && allowed.has(tag)) || (mode === 'existing' && known(world, who, tag)));
    if (!free) throw notPermitted(`/, Sys.Modify for modifying tag '${tag}'`);
  }
}

/** A tag exists for somebody when a guest has it that they may see. */
const known = (world: World, who: Identity, tag: string): boolean =>
  [...world.guests.values()].some(
    ({ vmid, config }) =>
      split(config.current['tags'] ?? '').includes(tag) && has(world, who, `/vms/${vmid}`, 'VM.Audit'),
  );
