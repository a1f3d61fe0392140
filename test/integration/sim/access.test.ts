import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { builtInRoles, privilegesOf } from '../../../src/sim/access/privileges.ts';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { loadWorld } from '../../../src/sim/world/directory.ts';
import { ask, virtualCluster } from './client.ts';
import type { Answer } from './client.ts';

type Form = Record<string, string | number>;
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster(world2);
});
afterEach(() => sim.close());

const as =
  (id: string) =>
  (method: string, path: string, form?: Form): Promise<Answer> =>
    ask(
      sim,
      method,
      path,
      form,
      sim.tokens.find((token) => token.id === id),
    );
const root = as('root@pam!full');
const limited = as('umbra@pve!umbra');
const privilegesAt = async (userid: string, path: string): Promise<string[]> => {
  const { data } = await root('GET', `/access/permissions?userid=${userid}&path=${path}`);
  return Object.keys((data as Record<string, object>)[path]!).sort();
};

describe('rights', () => {
  test('what is granted counts at once, below the path when it propagates, and not when it is taken back', async () => {
    await root('POST', '/access/users', { userid: 'eve@pve' });
    await root('POST', '/access/roles', { roleid: 'Look', privs: 'VM.Audit' });
    await root('PUT', '/access/acl', { path: '/vms', users: 'eve@pve', roles: 'Look' });
    expect(await privilegesAt('eve@pve', '/vms/300')).toEqual(['VM.Audit']);
    await root('PUT', '/access/acl', { path: '/vms', users: 'eve@pve', roles: 'Look', propagate: 0 });
    expect(await privilegesAt('eve@pve', '/vms/300')).toEqual([]);
    expect(await privilegesAt('eve@pve', '/vms')).toEqual(['VM.Audit']);
    await root('PUT', '/access/acl', { path: '/vms', users: 'eve@pve', roles: 'Look', delete: 1 });
    expect(await privilegesAt('eve@pve', '/vms')).toEqual([]);
  });

  test('a token with privilege separation has what both it and its user have', async () => {
    await root('POST', '/access/users/umbra@pve/token/second', {});
    await root('PUT', '/access/acl', { path: '/vms/101', tokens: 'umbra@pve!second', roles: 'PVEVMAdmin' });
    const ofUser = await privilegesAt('umbra@pve', '/vms/101');
    const both = ofUser.filter((privilege) => builtInRoles('9.2').get('PVEVMAdmin')!.has(privilege));
    expect(await privilegesAt('umbra@pve!second', '/vms/101')).toEqual(both);
    await root('PUT', '/access/users/umbra@pve/token/second', { privsep: 0 });
    expect(await privilegesAt('umbra@pve!second', '/storage/nas')).toEqual(
      await privilegesAt('umbra@pve', '/storage/nas'),
    );
  });

  test('a group grants to its members', async () => {
    await root('POST', '/access/groups', { groupid: 'ops', comment: 'night shift' });
    await root('POST', '/access/users', { userid: 'eve@pve', groups: 'ops' });
    await root('PUT', '/access/acl', { path: '/nodes', groups: 'ops', roles: 'PVEAuditor' });
    expect(await privilegesAt('eve@pve', '/nodes/pve1')).toContain('Sys.Audit');
    expect(await root('GET', '/access/groups')).toMatchObject({
      data: [{ groupid: 'ops', comment: 'night shift', users: 'eve@pve' }],
    });
    await root('DELETE', '/access/groups/ops');
    expect(await privilegesAt('eve@pve', '/nodes/pve1')).toEqual([]);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a role', () => root('DELETE', '/access/roles/UmbraStorage')],
    ['a token', () => root('DELETE', '/access/users/umbra@pve/token/umbra')],
    ['a user', () => root('DELETE', '/access/users/umbra@pve')],
  ])('with %s goes what was granted by it', async (_, remove) => {
    const before = sim.cluster.world.acls.length;
    await remove();
    const { acls, roles, tokens, users } = sim.cluster.world;
    expect(acls.length).toBeLessThan(before);
    for (const { who, role } of acls) {
      expect(roles.has(role) || builtInRoles('9.2').has(role)).toBe(true);
      expect(users.has(who) || tokens.has(who)).toBe(true);
    }
  });

  test('a user is shown with groups and tokens, and with what the file has a cell for', async () => {
    await root('POST', '/access/groups', { groupid: 'ops' });
    await root('POST', '/access/users', { userid: 'eve@pve', comment: 'Eve', groups: 'ops' });
    expect((await root('GET', '/access/users/eve@pve')).data).toEqual({
      ...{ enable: 1, expire: 0, comment: 'Eve', email: '', groups: ['ops'], tokens: null },
    });
    await root('POST', '/access/users/eve@pve/token/t1', { comment: 'first', expire: 7 });
    await root('PUT', '/access/users/eve@pve', { comment: '', enable: 0 });
    expect((await root('GET', '/access/users?full=1&enabled=0')).data).toEqual([
      {
        ...{ userid: 'eve@pve', enable: 0, expire: 0, 'realm-type': 'pve', groups: 'ops' },
        tokens: [{ tokenid: 't1', privsep: 1, expire: 7, comment: 'first' }],
      },
    ]);
  });

  test('a token that is gone is refused from then on', async () => {
    await root('DELETE', '/access/users/umbra@pve/token/umbra');
    expect(await limited('GET', '/nodes')).toMatchObject({ status: 401 });
  });

  test('everything that was changed is in the folder the world is saved to', async () => {
    await root('POST', '/access/users', {
      userid: 'eve@pve',
      comment: 'äh: 100 %',
      email: 'eve@example.org',
      expire: 7,
    });
    await root('POST', '/access/users/eve@pve/token/t1', { comment: 'x:y' });
    await root('POST', '/access/groups', { groupid: 'ops' });
    const folder = await mkdtemp(join(tmpdir(), 'umbra-world-'));
    await sim.save(folder);
    const { users, tokens, groups } = await loadWorld(folder);
    expect(users.get('eve@pve')).toEqual(sim.cluster.world.users.get('eve@pve'));
    expect(tokens.get('eve@pve!t1')).toEqual(sim.cluster.world.tokens.get('eve@pve!t1'));
    expect(groups).toEqual(sim.cluster.world.groups);
  });
});

describe('who may', () => {
  test.each<[string, string, Form | undefined, string]>([
    ['POST', '/access/users', { userid: 'eve@pve' }, '/access/realm/pve, Realm.AllocateUser'],
    ['DELETE', '/access/users/wide@pve', undefined, '/access/realm/pve, Realm.AllocateUser'],
    ['POST', '/access/roles', { roleid: 'Own' }, '/access, Sys.Modify'],
    ['POST', '/access/groups', { groupid: 'own' }, '/access/groups, Group.Allocate'],
    ['GET', '/access/domains/pve', undefined, '/access/realm, Realm.Allocate|Sys.Audit'],
    ['PUT', '/access/acl', { path: '/nodes', users: 'umbra@pve', roles: 'Umbra' }, '/nodes, Permissions.Modify'],
    [
      'PUT',
      '/access/acl',
      { path: '/storage/tank', users: 'umbra@pve', roles: 'Umbra' },
      '/storage/tank, Permissions.Modify|Datastore.Allocate',
    ],
  ])('the limited token may not %s %s', async (method, path, form, missing) => {
    expect(await limited(method, path, form)).toMatchObject({
      status: 403,
      reason: `Permission check failed (${missing})`,
    });
  });

  test('who may allocate guests of a pool or a guest may hand out rights on it', async () => {
    const grant = { users: 'wide@pve', roles: 'PVEAuditor' };
    expect(await limited('PUT', '/access/acl', { path: '/vms/101', ...grant })).toMatchObject({ status: 200 });
    expect(await limited('PUT', '/access/acl', { path: '/pool/umbra', ...grant })).toMatchObject({ status: 200 });
    expect(await limited('PUT', '/access/acl', { path: '/vms/300', ...grant })).toMatchObject({ status: 403 });
  });

  test('a token sees the users of its groups only, and no entry it could not change', async () => {
    expect(await limited('GET', '/access/users')).toMatchObject({ data: [] });
    expect(await limited('GET', '/access/groups')).toMatchObject({ data: [] });
    const { data } = await limited('GET', '/access/acl');
    expect(new Set((data as { path: string }[]).map(({ path }) => path))).toEqual(
      new Set(['/pool/umbra', '/vms/101', '/vms/9000']),
    );
  });

  test('nobody needs to be known to ask for the realms', async () => {
    const answer = await fetch(`${sim.url}/api2/json/access/domains`);
    expect(answer.status).toBe(200);
    expect((await fetch(`${sim.url}/api2/json/access/domains/pve`)).status).toBe(401);
  });
});

describe('refusals', () => {
  test.each<[string, string, Form | undefined, string]>([
    ['POST', '/access/users', { userid: 'wide@pve' }, "create user failed: user 'wide@pve' already exists"],
    ['POST', '/access/users', { userid: 'eve@pve', groups: 'none' }, "create user failed: no such group 'none'"],
    ['PUT', '/access/users/eve@pve', { enable: 0 }, "no such user ('eve@pve')"],
    ['DELETE', '/access/users/eve@pve', undefined, "no such user ('eve@pve')"],
    ['POST', '/access/roles', { roleid: 'Umbra' }, "create role failed: role 'Umbra' already exists"],
    ['PUT', '/access/roles/PVEAdmin', { privs: 'VM.Audit' }, "auto-generated role 'PVEAdmin' cannot be modified"],
    ['DELETE', '/access/roles/PVEAdmin', undefined, "auto-generated role 'PVEAdmin' cannot be deleted"],
    ['DELETE', '/access/roles/None', undefined, "delete role failed: role 'None' does not exist"],
    [
      'POST',
      '/access/roles',
      { roleid: 'New', privs: 'VM.Monitor' },
      "create role failed: invalid privilege 'VM.Monitor'",
    ],
    ['GET', '/access/groups/none', undefined, "group 'none' does not exist"],
    ['GET', '/access/domains/none', undefined, "domain 'none' does not exist"],
    [
      'PUT',
      '/access/acl',
      { path: '/vms/300', tokens: 'wide@pve!none', roles: 'Wide' },
      "ACL update failed: no such token 'none' for user 'wide@pve'",
    ],
    [
      'PUT',
      '/access/acl',
      { path: '/', users: 'eve@pve', roles: 'Wide' },
      "ACL update failed: user 'eve@pve' does not exist",
    ],
    [
      'PUT',
      '/access/acl',
      { path: '/', groups: 'ops', roles: 'Wide' },
      "ACL update failed: group 'ops' does not exist",
    ],
  ])('%s %s', async (method, path, form, reason) => {
    expect(await root(method, path, form)).toMatchObject({ status: 500, reason });
  });

  test.each<[string, string, Form, Record<string, string>]>([
    [
      'POST',
      '/access/users',
      { userid: 'eve' },
      { userid: "invalid format - value 'eve' does not look like a valid user name\n" },
    ],
    ['POST', '/access/users', { userid: 'e' }, { userid: "invalid format - user name 'e' is too short\n" }],
    [
      'POST',
      '/access/users',
      { userid: 'e@pve', password: 'short' },
      { password: 'value must be at least 8 characters long' },
    ],
    ['POST', '/access/users/umbra@pve/token/1st', {}, { tokenid: 'value does not match the regex pattern' }],
    [
      'POST',
      '/access/roles',
      { roleid: 'a b' },
      { roleid: "invalid format - role name 'a b' contains invalid characters\n" },
    ],
    [
      'PUT',
      '/access/acl',
      { path: '/', tokens: 'umbra@pve', roles: 'Wide' },
      { tokens: "invalid format - value 'umbra@pve' does not look like a valid token ID\n" },
    ],
    ['PUT', '/access/acl', { path: '/vms/7', users: 'wide@pve', roles: 'Wide' }, { path: "invalid ACL path '/vms/7'" }],
  ])('%s %s with %j', async (method, path, form, errors) => {
    expect(await root(method, path, form)).toMatchObject({ status: 400, errors });
  });
});

describe('built-in roles', () => {
  test('the privileges of PVE 9 are those of 8 without VM.Monitor, and finer ones', () => {
    const of9 = privilegesOf('9.2');
    const of8 = privilegesOf('8.4');
    expect(of8.filter((privilege) => !of9.includes(privilege))).toEqual(['VM.Monitor']);
    expect(of9.filter((privilege) => !of8.includes(privilege))).toContain('VM.GuestAgent.Audit');
    expect(builtInRoles('8.4').get('PVEVMAdmin')).toContain('VM.Monitor');
  });

  test('no role has a privilege its release does not know', () => {
    for (const release of ['8.4', '9.1', '9.2'] as const)
      for (const privileges of builtInRoles(release).values())
        for (const privilege of privileges) expect(privilegesOf(release)).toContain(privilege);
  });
});
