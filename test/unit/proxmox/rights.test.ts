import { describe, expect, test } from '@jest/globals';
import { findings, isGranted, mendFor } from '../../../src/providers/proxmox/rights.ts';

const ground = {
  version: '9.1.4',
  pool: 'umbra',
  storages: ['tank'],
  primaries: [101],
  templates: [9000],
  usesHa: true,
};
const token = 'umbra@pve!umbra';
const inPool = { inRange: true, template: undefined };
const outside = (template?: boolean) => ({ inRange: false, template });

describe('rights', () => {
  test('an entry of the path itself decides, else the nearest above with what it passes on', () => {
    const permissions = { '/': { 'Sys.Audit': 0 }, '/vms': { 'VM.Audit': 1, 'VM.Clone': 0 }, '/vms/100': {} };
    expect(isGranted(permissions, '/', 'Sys.Audit')).toBe(true);
    expect(isGranted(permissions, '/vms/101', 'VM.Audit')).toBe(true);
    expect(isGranted(permissions, '/vms/101', 'VM.Clone')).toBe(false);
    expect(isGranted(permissions, '/vms/100', 'VM.Audit')).toBe(false);
    expect(isGranted(permissions, '/storage/tank', 'Sys.Audit')).toBe(false);
  });

  test.each([
    ['not passed on by /', { '/': { 'Sys.Audit': 0 } }, false],
    ['on /nodes and not passed on', { '/nodes': { 'Sys.Audit': 0 } }, false],
    ['on /nodes and passed on', { '/nodes': { 'Sys.Audit': 1 } }, true],
    ['passed on by /', { '/': { 'Sys.Audit': 1 } }, true],
  ])('what must hold for every node is, %s: %#', (_where, permissions, granted) => {
    const found = findings(ground, token, permissions).find((one) => one.path === '/nodes');
    expect(found).toMatchObject({ privilege: 'Sys.Audit', granted });
  });

  test('every privilege is named with its path and the commands that grant it', () => {
    const found = findings(ground, token, { '/pool/umbra': { 'VM.Clone': 1 } });
    expect(found.filter((one) => one.granted).map((one) => [one.path, one.privilege])).toEqual([
      ['/pool/umbra', 'VM.Clone'],
    ]);
    expect(found.find((one) => one.privilege === 'SDN.Use')).toEqual({
      privilege: 'SDN.Use',
      path: '/sdn/zones/localnetwork',
      granted: false,
      mend:
        'pveum role add UmbraNetwork 2>/dev/null; pveum role modify UmbraNetwork --privs SDN.Use --append 1 && ' +
        "pveum acl modify /sdn/zones/localnetwork --users 'umbra@pve' --roles UmbraNetwork --propagate 1 && " +
        "pveum acl modify /sdn/zones/localnetwork --tokens 'umbra@pve!umbra' --roles UmbraNetwork --propagate 1",
    });
    expect(found.some((one) => one.path === '/vms/101' && one.privilege === 'VM.PowerMgmt')).toBe(true);
    expect(found.some((one) => one.path === '/vms/9000' && one.privilege === 'VM.PowerMgmt')).toBe(false);
    expect(found.some((one) => one.path === '/' && one.privilege === 'Sys.Console')).toBe(true);
  });

  test('the agent’s privilege has another name before version 9', () => {
    const agent = (version: string) =>
      findings({ ...ground, version }, token, {})
        .map((one) => one.privilege)
        .find((one) => /Agent|Monitor/.test(one));
    expect([agent('8.4.17'), agent('9.1.4')]).toEqual(['VM.Monitor', 'VM.GuestAgent.Audit']);
  });

  test.each([
    ['/vms/9001', 'VM.Config.CPU', inPool, '/pool/umbra', 'Umbra'],
    ['/vms/101', 'VM.PowerMgmt', outside(), '/vms/101', 'UmbraPrimary'],
    ['/vms/9000', 'VM.Clone', outside(true), '/vms/9000', 'UmbraTemplate'],
    ['/vms/101', 'VM.Clone', outside(false), '/vms/101', 'UmbraPrimary'],
    ['/nodes/pve2', 'Sys.Audit', outside(), '/nodes', 'UmbraNodes'],
    ['/sdn/zones/localnetwork/vmbr0', 'SDN.Use', outside(), '/sdn/zones/localnetwork', 'UmbraNetwork'],
    ['/storage/small', 'Datastore.AllocateSpace', outside(), '/storage/small', 'UmbraStorage'],
    ['/', 'Sys.Console', outside(), '/', 'UmbraCluster'],
  ])('refused at %s for want of %s, it is granted where the table has it', (path, privilege, guest, at, role) => {
    const mend = mendFor(ground, token, { path, privilege }, guest);
    expect(mend).toContain(`--privs ${privilege} --append 1`);
    expect(`${mend ?? ''} `).toContain(`pveum acl modify ${at} --tokens 'umbra@pve!umbra' --roles ${role} `);
  });

  test('nothing is offered that Umbra does not need', () => {
    expect(mendFor(ground, token, { path: '/', privilege: 'Sys.Modify' }, outside())).toBeUndefined();
    expect(mendFor(ground, token, { path: '/access', privilege: 'Sys.Audit' }, outside())).toBeUndefined();
  });
});
