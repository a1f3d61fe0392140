import { builtInRoles, privilegesOf } from '../../access/privileges.ts';
import { badParameter, failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { changeUserConfig } from './cluster-file.ts';

const roleid = (call: Call): string => call.args.need('roleid');
const isBuiltIn = (call: Call): boolean => builtInRoles(call.cluster.world.release).has(roleid(call));

/** Every role with its privileges: those of a release come first. */
const allRoles = ({ cluster: { world } }: Call): Map<string, ReadonlySet<string>> =>
  new Map([...world.roles, ...builtInRoles(world.release)]);

function requireRole(call: Call): Set<string> {
  const role = call.cluster.world.roles.get(roleid(call));
  if (!role) throw failed(`role '${roleid(call)}' does not exist`);
  return role;
}

function requireChangeable(call: Call, what: 'modified' | 'deleted'): void {
  if (isBuiltIn(call)) throw failed(`auto-generated role '${roleid(call)}' cannot be ${what}`);
}

/** The privileges of a call; another release may have more of them. */
function privilegesOfCall(call: Call): string[] {
  const valid = new Set(privilegesOf(call.cluster.world.release));
  const wrong = call.args.list('privs').find((privilege) => !valid.has(privilege));
  if (wrong !== undefined) throw failed(`invalid privilege '${wrong}'`);
  return call.args.list('privs');
}

export const roleHandlers: Readonly<Record<string, Handler>> = {
  'GET /access/roles': (call) => {
    const builtIn = builtInRoles(call.cluster.world.release);
    return [...allRoles(call)].map(([id, privileges]) => ({
      roleid: id,
      privs: [...privileges].sort().join(),
      special: builtIn.has(id) ? 1 : 0,
    }));
  },
  'GET /access/roles/{roleid}': (call) => {
    const role = allRoles(call).get(roleid(call));
    if (!role) throw failed(`role '${roleid(call)}' does not exist`);
    return Object.fromEntries([...role].sort().map((privilege) => [privilege, 1]));
  },
  'POST /access/roles': (call) => {
    if (/^PVE/i.test(roleid(call)))
      throw badParameter({ roleid: "cannot use role ID starting with the (case-insensitive) 'PVE' namespace" });
    return changeUserConfig(call, 'create role failed', () => {
      if (allRoles(call).has(roleid(call))) throw failed(`role '${roleid(call)}' already exists`);
      call.cluster.world.roles.set(roleid(call), new Set(privilegesOfCall(call)));
      return null;
    });
  },
  'PUT /access/roles/{roleid}': (call) => {
    requireChangeable(call, 'modified');
    return changeUserConfig(call, 'update role failed', () => {
      const role = requireRole(call);
      const before = call.args.flag('append') ? role : [];
      call.cluster.world.roles.set(roleid(call), new Set([...before, ...privilegesOfCall(call)]));
      return null;
    });
  },
  'DELETE /access/roles/{roleid}': (call) => {
    requireChangeable(call, 'deleted');
    return changeUserConfig(call, 'delete role failed', () => {
      requireRole(call);
      const { world } = call.cluster;
      world.roles.delete(roleid(call));
      // Entries of a role that is gone are not read back.
      world.acls = world.acls.filter(({ role }) => role !== roleid(call));
      return null;
    });
  },
};
