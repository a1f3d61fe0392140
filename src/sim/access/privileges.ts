import type { Release } from '../world/world.ts';

const always = [
  'Datastore.Allocate',
  'Datastore.AllocateSpace',
  'Datastore.AllocateTemplate',
  'Datastore.Audit',
  'Group.Allocate',
  'Mapping.Audit',
  'Mapping.Modify',
  'Mapping.Use',
  'Permissions.Modify',
  'Pool.Allocate',
  'Pool.Audit',
  'Realm.Allocate',
  'Realm.AllocateUser',
  'SDN.Allocate',
  'SDN.Audit',
  'SDN.Use',
  'Sys.AccessNetwork',
  'Sys.Audit',
  'Sys.Console',
  'Sys.Incoming',
  'Sys.Modify',
  'Sys.PowerMgmt',
  'Sys.Syslog',
  'User.Modify',
  'VM.Allocate',
  'VM.Audit',
  'VM.Backup',
  'VM.Clone',
  'VM.Config.CDROM',
  'VM.Config.CPU',
  'VM.Config.Cloudinit',
  'VM.Config.Disk',
  'VM.Config.HWType',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.Options',
  'VM.Console',
  'VM.Migrate',
  'VM.PowerMgmt',
  'VM.Snapshot',
  'VM.Snapshot.Rollback',
];

const agentOf9 = [
  'VM.GuestAgent.Audit',
  'VM.GuestAgent.FileRead',
  'VM.GuestAgent.FileSystemMgmt',
  'VM.GuestAgent.FileWrite',
  'VM.GuestAgent.Unrestricted',
  'VM.Replicate',
];

/** Every privilege of a release. PVE 9 replaced VM.Monitor by finer ones for the guest agent. */
export const privilegesOf = (release: Release): string[] =>
  release === '8.4' ? [...always, 'VM.Monitor'] : [...always, ...agentOf9];

/** The roles a cluster has without anybody defining them. */
export function builtInRoles(release: Release): Map<string, Set<string>> {
  const all = privilegesOf(release);
  const agentAudit = release === '8.4' ? ['VM.Monitor'] : agentOf9.filter((name) => name.startsWith('VM.GuestAgent.'));
  const vmUser = ['VM.Audit', 'VM.Backup', 'VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Console', 'VM.PowerMgmt'];
  return new Map([
    ['Administrator', new Set(all)],
    ['NoAccess', new Set<string>()],
    [
      'PVEAdmin',
      new Set(
        all.filter(
          (name) => !/^(Permissions|Realm\.Allocate$|Sys\.(PowerMgmt|Modify|AccessNetwork|Incoming))/.test(name),
        ),
      ),
    ],
    ['PVEAuditor', new Set(all.filter((name) => name.endsWith('.Audit') && !name.includes('GuestAgent')))],
    ['PVEDatastoreAdmin', new Set(all.filter((name) => name.startsWith('Datastore.')))],
    ['PVEDatastoreUser', new Set(['Datastore.AllocateSpace', 'Datastore.Audit'])],
    ['PVEPoolAdmin', new Set(['Pool.Allocate', 'Pool.Audit'])],
    ['PVEPoolUser', new Set(['Pool.Audit'])],
    ['PVESDNUser', new Set(['SDN.Audit', 'SDN.Use'])],
    [
      'PVEVMAdmin',
      new Set([...all.filter((name) => name.startsWith('VM.') && !name.includes('GuestAgent')), ...agentAudit]),
    ],
    ['PVEVMUser', new Set([...vmUser, ...(release === '8.4' ? ['VM.Monitor'] : ['VM.GuestAgent.Audit'])])],
  ]);
}
