import type { Release } from '../world/world.ts';

type Group = { readonly root: string[]; readonly admin: string[]; readonly user: string[]; readonly audit: string[] };

/** Privileges by what they are about, and by who usually has them: the built-in roles are made of these. */
function groupsOf(release: Release): Record<string, Group> {
  const is9 = release !== '8.4';
  return {
    VM: {
      root: [],
      admin: [
        ...['Disk', 'CPU', 'Memory', 'Network', 'HWType', 'Options'].map((of) => `VM.Config.${of}`),
        ...['VM.Allocate', 'VM.Clone', 'VM.Migrate', 'VM.Snapshot', 'VM.Snapshot.Rollback'],
        // PVE 9 replaced VM.Monitor by finer ones for the guest agent.
        ...(is9 ? ['VM.GuestAgent.Unrestricted', 'VM.Replicate'] : ['VM.Monitor']),
      ],
      user: [
        ...['VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Console', 'VM.Backup', 'VM.PowerMgmt'],
        ...(is9 ? ['FileRead', 'FileSystemMgmt', 'FileWrite'].map((of) => `VM.GuestAgent.${of}`) : []),
      ],
      audit: ['VM.Audit', ...(is9 ? ['VM.GuestAgent.Audit'] : [])],
    },
    Sys: {
      root: ['Sys.PowerMgmt', 'Sys.Modify', 'Sys.Incoming', 'Sys.AccessNetwork'],
      admin: ['Sys.Console', 'Sys.Syslog'],
      user: [],
      audit: ['Sys.Audit'],
    },
    Datastore: {
      root: [],
      admin: ['Datastore.Allocate', 'Datastore.AllocateTemplate'],
      user: ['Datastore.AllocateSpace'],
      audit: ['Datastore.Audit'],
    },
    SDN: { root: [], admin: ['SDN.Allocate'], user: ['SDN.Use'], audit: ['SDN.Audit'] },
    User: {
      root: ['Realm.Allocate'],
      admin: ['User.Modify', 'Group.Allocate', 'Realm.AllocateUser'],
      user: [],
      audit: [],
    },
    Pool: { root: [], admin: ['Pool.Allocate'], user: ['Pool.Audit'], audit: ['Pool.Audit'] },
    Mapping: { root: [], admin: ['Mapping.Modify'], user: ['Mapping.Use'], audit: ['Mapping.Audit'] },
  };
}

const known = new Map<Release, string[]>();
const roles = new Map<Release, ReadonlyMap<string, ReadonlySet<string>>>();

/** Every privilege of a release, sorted. */
export function privilegesOf(release: Release): string[] {
  const made = known.get(release) ?? [
    ...new Set([
      'Permissions.Modify',
      ...Object.values(groupsOf(release)).flatMap(({ root, admin, user, audit }) => [root, admin, user, audit].flat()),
    ]),
  ];
  known.set(release, made.sort());
  return made;
}

/** The roles a cluster has without anybody defining them. */
export function builtInRoles(release: Release): ReadonlyMap<string, ReadonlySet<string>> {
  const made = roles.get(release) ?? makeRoles(release);
  roles.set(release, made);
  return made;
}

function makeRoles(release: Release): Map<string, Set<string>> {
  const groups = Object.entries(groupsOf(release));
  const every = groups.map(([, group]) => group);
  const all = new Map([
    ['Administrator', new Set(privilegesOf(release))],
    ['NoAccess', new Set<string>()],
    ['PVETemplateUser', new Set(['VM.Audit', 'VM.Clone'])],
    ['PVEAuditor', new Set(every.flatMap(({ audit }) => audit))],
    ['PVEAdmin', new Set(every.flatMap(({ admin, user, audit }) => [admin, user, audit].flat()))],
  ]);
  // Mappings of the host's devices are for Administrator, and for the role that is named after them.
  all.get('PVEAdmin')!.delete('Mapping.Modify');
  for (const [name, { admin, user, audit }] of groups) {
    all.set(`PVE${name}Admin`, new Set([admin, user, audit].flat()));
    if (user.length > 0) all.set(`PVE${name}User`, new Set([user, audit].flat()));
  }
  return all;
}
