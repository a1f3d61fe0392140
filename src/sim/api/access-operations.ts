import { atMost, flag, like, must, needs, pattern, since9, text, whole } from './parameter-words.ts';
import type { Operation, Permission } from './operation.ts';
import type { Parameters } from './parameters.ts';
import { anybody, byDaemon, on, onAny, row } from './rows.ts';

const userid = must(like('pve-userid', 64));
const ofUser: Parameters = { userid };
const ofToken: Parameters = { userid, tokenid: must(pattern('[A-Za-z][A-Za-z0-9.\\-_]+')) };
const roleid = must(like('pve-roleid'));
const groupid = must(like('pve-groupid'));
const realm = must(like('pve-realm', 32));

const token: Parameters = { comment: text, expire: whole(0), privsep: flag };
const account: Parameters = {
  comment: atMost(2048),
  email: like('email-opt', 254),
  enable: flag,
  expire: whole(0),
  firstname: atMost(1024),
  groups: like('pve-groupid-list'),
  keys: pattern('[0-9a-zA-Z!=]{0,4096}'),
  lastname: atMost(1024),
};

const onGroups = (any: readonly string[], groups?: 'create' | 'update'): Permission => ({
  kind: 'userGroups',
  any,
  ...(groups === undefined ? {} : { groups }),
});
const allocateUser: Permission = { kind: 'realm', privilege: 'Realm.AllocateUser' };
const oneself = (...any: string[]): Permission => ({ kind: 'or', of: [{ kind: 'self' }, onGroups(any)] });
const ownToken = oneself('User.Modify');
const allocateGroup = on('/access/groups', 'Group.Allocate');
const changeAccess = on('/access', 'Sys.Modify');

const user = '/access/users/{userid}';

/** Users, their tokens, groups, roles, rights and realms. */
export const accessOperations: readonly Operation[] = [
  row('GET /access/users', anybody, { enabled: flag, full: flag }, byDaemon),
  row(
    'POST /access/users',
    { kind: 'and', of: [allocateUser, onGroups(['User.Modify'], 'create')] },
    { ...ofUser, ...account, password: { ...atMost(64), minLength: 8 } },
    byDaemon,
  ),
  row(`GET ${user}`, onGroups(['User.Modify', 'Sys.Audit']), ofUser),
  row(
    `PUT ${user}`,
    onGroups(['User.Modify'], 'update'),
    { ...ofUser, ...account, append: needs('groups', flag) },
    byDaemon,
  ),
  row(`DELETE ${user}`, { kind: 'and', of: [allocateUser, onGroups(['User.Modify'])] }, ofUser, byDaemon),
  row(`GET ${user}/tfa`, oneself('User.Modify', 'Sys.Audit'), { ...ofUser, multiple: flag }, byDaemon),
  row(`PUT ${user}/unlock-tfa`, onGroups(['User.Modify']), ofUser, byDaemon),
  row(`GET ${user}/token`, ownToken, ofUser),
  row(`GET ${user}/token/{tokenid}`, ownToken, ofToken),
  row(`POST ${user}/token/{tokenid}`, ownToken, { ...ofToken, ...token }, byDaemon),
  row(
    `PUT ${user}/token/{tokenid}`,
    ownToken,
    { ...ofToken, ...token, delete: since9(like('pve-configid-list')) },
    byDaemon,
  ),
  row(`DELETE ${user}/token/{tokenid}`, ownToken, ofToken, byDaemon),
  row('GET /access/groups', anybody),
  row('POST /access/groups', allocateGroup, { groupid, comment: text }, byDaemon),
  row('GET /access/groups/{groupid}', onAny('/access/groups', 'Sys.Audit', 'Group.Allocate'), { groupid }),
  row('PUT /access/groups/{groupid}', allocateGroup, { groupid, comment: text }, byDaemon),
  row('DELETE /access/groups/{groupid}', allocateGroup, { groupid }, byDaemon),
  row('GET /access/roles', anybody),
  row('GET /access/roles/{roleid}', anybody, { roleid }),
  row('POST /access/roles', changeAccess, { roleid, privs: like('pve-priv-list') }, byDaemon),
  row(
    'PUT /access/roles/{roleid}',
    changeAccess,
    { roleid, privs: like('pve-priv-list'), append: needs('privs', flag) },
    byDaemon,
  ),
  row('DELETE /access/roles/{roleid}', changeAccess, { roleid }, byDaemon),
  row('GET /access/acl', anybody),
  row(
    'PUT /access/acl',
    { kind: 'modify', path: '{path}' },
    {
      path: must(text),
      roles: must(like('pve-roleid-list')),
      users: like('pve-userid-list'),
      groups: like('pve-groupid-list'),
      tokens: like('pve-tokenid-list'),
      propagate: flag,
      delete: flag,
    },
    byDaemon,
  ),
  row('GET /access/domains', { kind: 'world' }),
  row('GET /access/domains/{realm}', onAny('/access/realm', 'Realm.Allocate', 'Sys.Audit'), { realm }),
];
