import { normalAclPath, requireModify } from '../access/acl-paths.ts';
import { check, checkAny } from '../access/permissions.ts';
import type { Identity } from '../access/permissions.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Release } from '../world/world.ts';
import { operations } from './operations.ts';
import type { Operation, Permission } from './operation.ts';
import { realmOf, requireUser, requireUserGroups } from '../access/users.ts';
import { notPermitted, Refusal } from './refusal.ts';
import type { Values } from './parameters.ts';

export type Route = { readonly operation: Operation; readonly inPath: Record<string, string> };

const segments = (path: string): string[] => path.split('/').filter((segment) => segment !== '');

/** The last parameter of some paths may have slashes of its own: a network, a volume. */
const takesSlashes = /\/\{(?:cidr|volume)\}$/;
const joined = (given: readonly string[], count: number): readonly string[] =>
  given.length <= count ? given : [...given.slice(0, count - 1), given.slice(count - 1).join('/')];

/** Finds the operation of a path below `/api2/json`; a named segment wins over a parameter. */
export function routeOf(method: string, path: string, release: Release): Route | undefined {
  const given = segments(path).map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment;
    }
  });
  let best: Route | undefined;
  let bestParameters = Number.POSITIVE_INFINITY;
  for (const operation of operations) {
    if (operation.method !== method || !(operation.only?.includes(release) ?? true)) continue;
    const wanted = segments(operation.path);
    const parts = takesSlashes.test(operation.path) ? joined(given, wanted.length) : given;
    if (wanted.length !== parts.length) continue;
    const inPath: Record<string, string> = {};
    const fits = wanted.every((segment, at) => {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (name === undefined) return segment === parts[at];
      inPath[name] = parts[at]!;
      return true;
    });
    const parameters = Object.keys(inPath).length;
    if (fits && parameters < bestParameters) {
      best = { operation, inPath };
      bestParameters = parameters;
    }
  }
  return best;
}

/** What is missing, empty or zero stands in a path as a dash. */
const plain = (value: Values[string] | undefined): string =>
  value === undefined || value === '' || value === '0' || value === false ? '-' : String(value);

/** 403 unless the caller has what the operation asks. Comes before the parameters are looked at. */
export function requirePermission(cluster: Cluster, who: Identity, permission: Permission, values: Values): void {
  const user = plain(values['userid']);
  switch (permission.kind) {
    case 'anybody':
    case 'world':
      return;
    case 'and':
      for (const part of permission.of) requirePermission(cluster, who, part, values);
      return;
    case 'or':
      if (!permission.of.some((part) => permits(cluster, who, part, values))) throw notPermitted();
      return;
    case 'privileges': {
      if (permission.requireParameter !== undefined && values[permission.requireParameter] === undefined) {
        throw notPermitted();
      }
      const path = permission.path.replace(/\{(\w+)\}/g, (_, name: string) => plain(values[name]));
      if (permission.any) checkAny(cluster.world, who, path, permission.any);
      else check(cluster.world, who, path, permission.all ?? []);
      return;
    }
    case 'self':
      requireUser(cluster.world, user);
      if (who.id !== user) throw notPermitted();
      return;
    case 'realm':
      check(cluster.world, who, `/access/realm/${realmOf(user)}`, [permission.privilege]);
      return;
    case 'userGroups':
      requireUserGroups(cluster.world, who, user, permission, values['groups']);
      return;
    case 'modify': {
      // A path that is none is refused by who carries it out, as a parameter.
      const path = normalAclPath(permission.path.replace(/\{(\w+)\}/g, (_, name: string) => plain(values[name])));
      if (path !== undefined) requireModify(cluster.world, who, path);
      else throw notPermitted();
    }
  }
}

function permits(cluster: Cluster, who: Identity, permission: Permission, values: Values): boolean {
  try {
    requirePermission(cluster, who, permission, values);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}
