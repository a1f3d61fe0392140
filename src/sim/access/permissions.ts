import { notPermitted } from '../api/refusal.ts';
import type { World } from '../world/world.ts';
import { builtInRoles, privilegesOf } from './privileges.ts';

/** Who asks: `user@realm` or `user@realm!token`. */
export type Identity = { readonly id: string; readonly user: string; readonly token?: string };

/** Privileges at a path; the value says whether they hold below it too. */
type Granted = Map<string, boolean>;

/** The roles somebody has at a path: the walk from `/` down, where a nearer entry replaces what came from above. */
function rolesAt(world: World, id: string, path: string): Granted {
  if (id === 'root@pam') return new Map([['Administrator', true]]);
  let roles: Granted = new Map();
  for (const prefix of prefixes(path)) {
    const here = world.acls.filter((acl) => acl.path === prefix && (acl.propagate || prefix === path));
    const own = here.filter((acl) => acl.who === id);
    const byGroup = here.filter(
      (acl) => acl.who.startsWith('@') && world.groups.get(acl.who.slice(1))?.members.has(id),
    );
    const taken = own.length > 0 ? own : byGroup;
    if (taken.length > 0) roles = new Map(taken.map((acl) => [acl.role, acl.propagate]));
  }
  return roles.has('NoAccess') ? new Map([['NoAccess', true]]) : roles;
}

function prefixes(path: string): string[] {
  const parts = path.split('/').filter(Boolean);
  return ['/', ...parts.map((_, at) => '/' + parts.slice(0, at + 1).join('/'))];
}

/** Members of a pool also get what is granted on the pool. */
function poolsOf(world: World, path: string): string[] {
  const [, kind, name] = /^\/(vms|storage)\/([^/]+)$/.exec(path) ?? [];
  return [...world.pools]
    .filter(([, pool]) =>
      kind === 'vms' ? pool.vms.has(Number(name)) : kind === 'storage' && pool.storages.has(name!),
    )
    .map(([id]) => id);
}

function privilegesFor(world: World, id: string, path: string): Granted {
  const roles = rolesAt(world, id, path);
  if (!roles.has('NoAccess')) {
    const ofPools = poolsOf(world, path).flatMap((pool) => [...rolesAt(world, id, `/pool/${pool}`).keys()]);
    // What comes by a pool holds for the member alone, and a pool nobody may enter is one.
    if (ofPools.includes('NoAccess')) return new Map();
    for (const role of ofPools) if (!roles.has(role)) roles.set(role, false);
  }
  const known = builtInRoles(world.release);
  const valid = new Set(privilegesOf(world.release));
  const granted: Granted = new Map();
  for (const [role, propagate] of roles) {
    for (const privilege of world.roles.get(role) ?? known.get(role) ?? []) {
      if (valid.has(privilege)) granted.set(privilege, propagate || granted.get(privilege) === true);
    }
  }
  return granted;
}

/** What may be done at a path. A token with privilege separation has only what its user has too. */
export function permissionsAt(world: World, who: Identity, path: string): Granted {
  const ofUser = privilegesFor(world, who.user, path);
  if (who.token === undefined || world.tokens.get(who.id)?.privsep === false) return ofUser;
  const ofToken = privilegesFor(world, who.id, path);
  return new Map(
    [...ofToken]
      .filter(([privilege]) => ofUser.has(privilege))
      .map(([privilege, propagate]) => [privilege, propagate && ofUser.get(privilege) === true]),
  );
}

export const has = (world: World, who: Identity, path: string, privilege: string): boolean =>
  permissionsAt(world, who, path).has(privilege);

/** All of these, or 403 naming the first that is missing. */
export function check(world: World, who: Identity, path: string, privileges: readonly string[]): void {
  const granted = permissionsAt(world, who, path);
  for (const privilege of privileges) {
    if (!granted.has(privilege)) throw notPermitted(`${path}, ${privilege}`);
  }
}

/** As `check`, of a guest; one that is made in a pool has the pool's rights before it is a member. */
export function checkGuest(
  world: World,
  who: Identity,
  vmid: number,
  privileges: readonly string[],
  pool?: string,
): void {
  if (pool !== undefined && privileges.every((privilege) => has(world, who, `/pool/${pool}`, privilege))) return;
  check(world, who, `/vms/${vmid}`, privileges);
}

/** One of these, or 403 naming all. */
export function checkAny(world: World, who: Identity, path: string, privileges: readonly string[]): void {
  const granted = permissionsAt(world, who, path);
  if (!privileges.some((privilege) => granted.has(privilege))) throw notPermitted(`${path}, ${privileges.join('|')}`);
}

/** Every path somebody has anything on, as `GET /access/permissions` shows it. */
export function dumpPermissions(world: World, who: Identity): Record<string, Record<string, number>> {
  const paths = new Set(['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms']);
  for (const acl of world.acls) for (const path of prefixes(acl.path)) paths.add(path);
  for (const [id, pool] of world.pools) {
    paths.add(`/pool/${id}`);
    for (const vmid of pool.vms) paths.add(`/vms/${vmid}`);
    for (const storage of pool.storages) paths.add(`/storage/${storage}`);
  }
  const dump: Record<string, Record<string, number>> = {};
  for (const path of paths) {
    const granted = permissionsAt(world, who, path);
    if (granted.size > 0) {
      dump[path] = Object.fromEntries([...granted].map(([privilege, propagate]) => [privilege, propagate ? 1 : 0]));
    }
  }
  return dump;
}
