import { permissionsAt } from '../../access/permissions.ts';
import type { WorldGroup } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { changeUserConfig } from './cluster-file.ts';

const groupid = (call: Call): string => call.args.need('groupid');

function requireGroup(call: Call): WorldGroup {
  const group = call.cluster.world.groups.get(groupid(call));
  if (!group) throw failed(`group '${groupid(call)}' does not exist`);
  return group;
}

const described = ({ comment }: WorldGroup): object => (comment === undefined ? {} : { comment });

export const groupHandlers: Readonly<Record<string, Handler>> = {
  'GET /access/groups': ({ cluster: { world }, who }) =>
    [...world.groups]
      .filter(([id]) => {
        const granted = permissionsAt(world, who, `/access/groups/${id}`);
        return ['User.Modify', 'Sys.Audit', 'Group.Allocate'].some((privilege) => granted.has(privilege));
      })
      .map(([id, group]) => ({ groupid: id, ...described(group), users: [...group.members].sort().join() })),
  'GET /access/groups/{groupid}': (call) => {
    const group = requireGroup(call);
    return { members: [...group.members].sort(), ...described(group) };
  },
  'POST /access/groups': (call) =>
    changeUserConfig(call, 'create group failed', () => {
      const { world } = call.cluster;
      if (world.groups.has(groupid(call))) throw failed(`group '${groupid(call)}' already exists`);
      const comment = call.args.text('comment');
      world.groups.set(groupid(call), { members: new Set(), ...(comment ? { comment } : {}) });
      return null;
    }),
  'PUT /access/groups/{groupid}': (call) =>
    changeUserConfig(call, 'update group failed', () => {
      const group = requireGroup(call);
      const comment = call.args.text('comment');
      if (comment !== undefined) group.comment = comment;
      return null;
    }),
  'DELETE /access/groups/{groupid}': (call) =>
    changeUserConfig(call, 'delete group failed', () => {
      requireGroup(call);
      const { world } = call.cluster;
      world.groups.delete(groupid(call));
      world.acls = world.acls.filter(({ who }) => who !== `@${groupid(call)}`);
      return null;
    }),
};
