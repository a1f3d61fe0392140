import { isAclPath, normalAclPath, requireModify } from '../../access/acl-paths.ts';
import { has } from '../../access/permissions.ts';
import { builtInRoles } from '../../access/privileges.ts';
import { requireToken } from '../../access/users.ts';
import type { WorldAcl } from '../../world/world.ts';
import { badParameter, failed, Refusal } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { changeUserConfig } from './cluster-file.ts';

/** Whom an entry is for: a user, a token, or a group without its `@`. */
function named({ who }: WorldAcl): { type: string; ugid: string } {
  if (who.startsWith('@')) return { type: 'group', ugid: who.slice(1) };
  return { type: who.includes('!') ? 'token' : 'user', ugid: who };
}

function mayModify({ cluster, who }: Call, path: string): boolean {
  try {
    requireModify(cluster.world, who, path);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/** Everybody a call names, as entries name them; all of them exist. */
function subjectsOf({ cluster: { world }, args }: Call): string[] {
  for (const group of args.list('groups')) {
    if (!world.groups.has(group)) throw failed(`group '${group}' does not exist`);
  }
  for (const user of args.list('users')) {
    if (!world.users.has(user)) throw failed(`user '${user}' does not exist`);
  }
  for (const token of args.list('tokens')) requireToken(world, token);
  return [...args.list('groups').map((group) => `@${group}`), ...args.list('users'), ...args.list('tokens')];
}

function updateAcl(call: Call): null {
  const { cluster, args } = call;
  const kinds = ['users', 'groups', 'tokens'];
  if (!kinds.some((kind) => args.list(kind).length > 0)) {
    const text = "either 'users', 'groups' or 'tokens' is required.";
    throw badParameter(Object.fromEntries(kinds.map((kind) => [kind, text])));
  }
  const path = normalAclPath(args.need('path'));
  if (path === undefined || (!args.flag('delete') && !isAclPath(path)))
    throw badParameter({ path: `invalid ACL path '${args.need('path')}'` });
  return changeUserConfig(call, 'ACL update failed', () => {
    const { world } = cluster;
    const propagate = !args.has('propagate') || args.flag('propagate');
    for (const role of args.list('roles')) {
      if (!world.roles.has(role) && !builtInRoles(world.release).has(role))
        throw failed(`role '${role}' does not exist`);
      const subjects = subjectsOf(call);
      world.acls = world.acls.filter((acl) => acl.path !== path || acl.role !== role || !subjects.includes(acl.who));
      if (!args.flag('delete')) world.acls.push(...subjects.map((who) => ({ path, propagate, who, role })));
    }
    return null;
  });
}

export const aclHandlers: Readonly<Record<string, Handler>> = {
  'GET /access/acl': (call) => {
    const { cluster, who } = call;
    const all = has(cluster.world, who, '/access', 'Sys.Audit');
    return cluster.world.acls
      .filter(({ path }) => all || mayModify(call, path))
      .map((acl) => ({ path: acl.path, ...named(acl), roleid: acl.role, propagate: acl.propagate ? 1 : 0 }));
  },
  'PUT /access/acl': updateAcl,
};
