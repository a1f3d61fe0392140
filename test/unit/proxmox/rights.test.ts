import { describe, expect, test } from '@jest/globals';
import { findings, isGranted } from '../../../src/providers/proxmox/rights.ts';

const wanted = {
  version: '9.1.4',
  tokenId: 'umbra@pve!umbra',
  pool: 'umbra',
  storage: 'tank',
  guests: [101],
  usesHa: true,
};

describe('rights', () => {
  test('an entry of the path itself decides, else the nearest above with what it passes on', () => {
    const permissions = { '/': { 'Sys.Audit': 0 }, '/vms': { 'VM.Audit': 1, 'VM.Clone': 0 }, '/vms/100': {} };
    expect(isGranted(permissions, '/', 'Sys.Audit')).toBe(true);
    expect(isGranted(permissions, '/vms/101', 'VM.Audit')).toBe(true);
    expect(isGranted(permissions, '/vms/101', 'VM.Clone')).toBe(false);
    expect(isGranted(permissions, '/vms/100', 'VM.Audit')).toBe(false);
    expect(isGranted(permissions, '/storage/tank', 'Sys.Audit')).toBe(false);
  });

  test('every privilege is named with its path and the commands that grant it', () => {
    const found = findings(wanted, { '/pool/umbra': { 'VM.Clone': 1 } });
    expect(found.filter((one) => one.granted).map((one) => [one.path, one.privilege])).toEqual([
      ['/pool/umbra', 'VM.Clone'],
    ]);
    expect(found.find((one) => one.privilege === 'SDN.Use')).toEqual({
      privilege: 'SDN.Use',
      path: '/sdn/zones/localnetwork',
      granted: false,
      mend:
        'pveum role modify UmbraNetwork --privs SDN.Use --append 1 && ' +
        "pveum acl modify /sdn/zones/localnetwork --users 'umbra@pve' --roles UmbraNetwork && " +
        "pveum acl modify /sdn/zones/localnetwork --tokens 'umbra@pve!umbra' --roles UmbraNetwork",
    });
    expect(found.some((one) => one.path === '/vms/101' && one.privilege === 'VM.PowerMgmt')).toBe(true);
    expect(found.some((one) => one.path === '/' && one.privilege === 'Sys.Console')).toBe(true);
  });

  test('the agent’s privilege has another name before version 9', () => {
    const agent = (version: string) =>
      findings({ ...wanted, version }, {})
        .map((one) => one.privilege)
        .find((one) => /Agent|Monitor/.test(one));
    expect([agent('8.4.17'), agent('9.1.4')]).toEqual(['VM.Monitor', 'VM.GuestAgent.Audit']);
  });
});
