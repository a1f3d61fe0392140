import { failed, notPermitted } from '../api/refusal.ts';
import type { World, WorldToken, WorldUser } from '../world/world.ts';
import { checkAny, has } from './permissions.ts';
import type { Identity } from './permissions.ts';

export const realmOf = (user: string): string => user.slice(user.lastIndexOf('@') + 1);

export function requireUser(world: World, id: string): WorldUser {
  const user = world.users.get(id);
  if (!user) throw failed(`no such user ('${id}')`);
  return user;
}

/** A token by its whole id, `user@realm!token`. */
export const findToken = (world: World, id: string): WorldToken | undefined => world.tokens.get(id);

export function requireToken(world: World, id: string): WorldToken {
  const [user, token] = id.split('!');
  requireUser(world, user!);
  const found = findToken(world, id);
  if (!found) throw failed(`no such token '${token ?? ''}' for user '${user!}'`);
  return found;
}

const hasAny = (world: World, who: Identity, path: string, any: readonly string[]): boolean =>
  any.some((privilege) => has(world, who, path, privilege));

/** The members of the groups on which somebody has one of these. */
export function usersOfGroups(world: World, who: Identity, any: readonly string[]): Set<string> {
  const groups = [...world.groups].filter(([id]) => hasAny(world, who, `/access/groups/${id}`, any));
  return new Set(groups.flatMap(([, { members }]) => [...members]));
}

/** Who may do this to users: on all groups, or on one of theirs and on every group that a call puts them in. */
export function requireUserGroups(
  world: World,
  who: Identity,
  user: string,
  { any, groups }: { readonly any: readonly string[]; readonly groups?: 'create' | 'update' },
  named: unknown,
): void {
  if (groups !== 'create') requireUser(world, user);
  if (hasAny(world, who, '/access/groups', any)) return;
  if (groups !== undefined) {
    const asked = (typeof named === 'string' ? named : '').split(/[,;\s]+/).filter(Boolean);
    if (asked.length === 0) throw notPermitted(`/access/groups, ${any.join('|')}`);
    for (const group of asked) checkAny(world, who, `/access/groups/${group}`, any);
  }
  if (groups !== 'create' && !usersOfGroups(world, who, any).has(user)) throw notPermitted();
}
