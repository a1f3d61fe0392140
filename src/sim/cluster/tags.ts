import { check, has } from '../access/permissions.ts';
import type { Identity } from '../access/permissions.ts';
import { notPermitted } from '../api/refusal.ts';
import type { World } from '../world/world.ts';

export const splitTags = (tags: string): string[] => tags.split(/[;,\s]+/).filter(Boolean);

/** Each once, and lower case and sorted unless the datacenter's `tag-style` says otherwise: how Proxmox stores tags. */
export function uniqueTags(world: World, tags: string): string {
  const style = world.datacenter['tag-style'] ?? '';
  const keepsCase = /(?:^|,)case-sensitive=(?:1|on|yes|true)\b/.test(style);
  const unique = [...new Set(splitTags(tags).map((tag) => (keepsCase ? tag : tag.toLowerCase())))];
  return (/(?:^|,)ordering=config\b/.test(style) ? unique : unique.sort()).join(';');
}

/** What the datacenter says of tags: which are kept to itself, who else may use what. */
function policyOf(world: World): { registered: Set<string>; listed: Set<string>; mode: string } {
  const access = world.datacenter['user-tag-access'] ?? '';
  return {
    registered: new Set(splitTags(world.datacenter['registered-tags'] ?? '')),
    listed: new Set(splitTags(/user-allow-list=([^,]+)/.exec(access)?.[1] ?? '')),
    mode: /user-allow=(\w+)/.exec(access)?.[1] ?? 'free',
  };
}

/** Tags that somebody may use without inventing one: those listed, and those of guests they see. */
export function allowedTags(world: World, who: Identity): string[] {
  const { registered, listed, mode } = policyOf(world);
  const every = has(world, who, '/', 'Sys.Modify');
  const allowed = new Set(every || mode !== 'none' ? listed : []);
  if (every || mode === 'free' || mode === 'existing') {
    for (const guest of [...world.guests.values()]) {
      if (!every && !has(world, who, `/vms/${guest.vmid}`, 'VM.Audit')) continue;
      for (const tag of splitTags(guest.config.current['tags'] ?? '')) allowed.add(tag);
    }
  }
  for (const tag of registered) {
    if (every) allowed.add(tag);
    else allowed.delete(tag);
  }
  return [...allowed].sort();
}

/** The datacenter may keep tags to itself: registered ones, or all but a list. */
export function requireTags(world: World, who: Identity, vmid: number, before: string, after: string): void {
  check(world, who, `/vms/${vmid}`, ['VM.Config.Options']);
  if (has(world, who, '/', 'Sys.Modify')) return;
  const was = new Set(splitTags(before));
  const is = new Set(splitTags(after));
  const { registered, mode } = policyOf(world);
  const allowed = new Set(allowedTags(world, who));
  for (const tag of [...was, ...is].filter((tag) => was.has(tag) !== is.has(tag))) {
    const free = !registered.has(tag) && (mode === 'free' || allowed.has(tag));
    if (!free) throw notPermitted(`/, Sys.Modify for modifying tag '${tag}'`);
  }
}
