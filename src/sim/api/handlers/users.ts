import { permissionsAt } from '../../access/permissions.ts';
import { realmOf, requireUser, usersOfGroups } from '../../access/users.ts';
import type { World, WorldUser } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { realms } from './access.ts';
import { tokenRows } from './api-tokens.ts';
import { changeUserConfig } from './cluster-file.ts';

const texts = ['firstname', 'lastname', 'email', 'comment', 'keys'] as const;
const userid = (call: Call): string => call.args.need('userid');

const shown = (user: WorldUser): Record<string, unknown> => ({
  enable: user.enabled ? 1 : 0,
  expire: user.expire,
  // The file has a cell for it as soon as one after it is filled.
  ...(user.comment !== undefined || user.keys !== undefined ? { email: '' } : {}),
  ...Object.fromEntries(texts.flatMap((name) => (user[name] === undefined ? [] : [[name, user[name]]]))),
});

const groupsOf = (world: World, id: string): string[] =>
  [...world.groups].filter(([, { members }]) => members.has(id)).map(([group]) => group);

/** Users whom the caller may see: all, those of some groups, and always themselves. */
function listUsers({ cluster: { world }, args, who }: Call): object[] {
  const audit = ['User.Modify', 'Sys.Audit'];
  const granted = permissionsAt(world, who, '/access/groups');
  const all = audit.some((privilege) => granted.has(privilege));
  const some = usersOfGroups(world, who, audit);
  return [...world.users.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .filter(({ id }) => all || id === who.id || some.has(id))
    .filter(({ enabled }) => !args.has('enabled') || enabled === args.flag('enabled'))
    .map((user) => {
      const type = realms.get(realmOf(user.id))?.type;
      const tokens = tokenRows(world, user.id);
      return {
        userid: user.id,
        ...shown(user),
        ...(type === undefined ? {} : { 'realm-type': type }),
        ...(args.flag('full') ? { groups: groupsOf(world, user.id).join() } : {}),
        ...(args.flag('full') ? { tokens: tokens.length > 0 ? tokens : null } : {}),
      };
    });
}

/** Puts a user into the groups of the call; with `append` they stay in those they are in. */
function join({ cluster: { world }, args }: Call, id: string): void {
  if (args.has('groups') && !args.flag('append')) for (const { members } of world.groups.values()) members.delete(id);
  for (const group of args.list('groups')) {
    const found = world.groups.get(group);
    if (!found) throw failed(`no such group '${group}'`);
    found.members.add(id);
  }
}

function describe({ args }: Call, user: WorldUser): void {
  if (args.has('enable')) user.enabled = args.flag('enable');
  if (args.has('expire')) user.expire = args.number('expire') ?? 0;
  for (const name of texts.filter((name) => args.has(name))) {
    // An empty text is none once the file is read again.
    if (args.need(name) === '') Reflect.deleteProperty(user, name);
    else user[name] = args.need(name);
  }
}

export const userHandlers: Readonly<Record<string, Handler>> = {
  'GET /access/users': listUsers,
  'POST /access/users': (call) =>
    changeUserConfig(call, 'create user failed', () => {
      const { world } = call.cluster;
      const id = userid(call);
      if (world.users.has(id)) throw failed(`user '${id}' already exists`);
      join(call, id);
      const user: WorldUser = { id, enabled: true, expire: 0 };
      describe(call, user);
      world.users.set(id, user);
      return null;
    }),
  'GET /access/users/{userid}': (call) => {
    const { world } = call.cluster;
    const user = requireUser(world, userid(call));
    const tokens = tokenRows(world, user.id).map(({ tokenid, ...info }) => [tokenid, info]);
    return {
      ...shown(user),
      groups: groupsOf(world, user.id),
      tokens: tokens.length > 0 ? (Object.fromEntries(tokens) as object) : null,
    };
  },
  'PUT /access/users/{userid}': (call) =>
    changeUserConfig(call, 'update user failed', () => {
      const user = requireUser(call.cluster.world, userid(call));
      join(call, user.id);
      describe(call, user);
      return null;
    }),
  'DELETE /access/users/{userid}': (call) =>
    changeUserConfig(call, 'delete user failed', () => {
      const { world } = call.cluster;
      const { id } = requireUser(world, userid(call));
      world.users.delete(id);
      for (const { members } of world.groups.values()) members.delete(id);
      // With the user go its tokens, and everything that was granted to either.
      const isTheirs = (who: string): boolean => who === id || who.startsWith(`${id}!`);
      for (const token of world.tokens.keys()) if (isTheirs(token)) world.tokens.delete(token);
      world.acls = world.acls.filter(({ who }) => !isTheirs(who));
      return null;
    }),
  // Nobody has a second factor here.
  'GET /access/users/{userid}/tfa': (call) => {
    const realm = realmOf(userid(call));
    if (!realms.has(realm)) throw failed(`auth domain '${realm}' does not exist`);
    return call.args.flag('multiple') ? { user: [] } : {};
  },
  'PUT /access/users/{userid}/unlock-tfa': () => 0,
};
