import type { RightsFinding } from '../../ports/hypervisor.ts';

/** Privileges by path, as `GET /access/permissions` gives them: 1 when they hold for everything below as well. */
export type Permissions = Readonly<Record<string, Readonly<Record<string, number>>>>;

export type Wanted = {
  readonly version: string;
  readonly tokenId: string;
  readonly pool?: string | undefined;
  readonly storage?: string | undefined;
  readonly bridgeZone?: string;
  /** VMIDs of templates and primaries outside the pool. */
  readonly guests: readonly number[];
  readonly usesHa: boolean;
};

type Need = { readonly path: string; readonly privileges: readonly string[] };

const role = 'Umbra';

const shadowPrivileges = [
  'VM.Allocate',
  'VM.Audit',
  'VM.Clone',
  'VM.Config.CPU',
  'VM.Config.Cloudinit',
  'VM.Config.Disk',
  'VM.Config.HWType',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.Options',
  'VM.PowerMgmt',
];

/** A primary is marked, protected, watched, stopped and cloned; it is deleted only after adoption, by its pool's rights. */
const primaryPrivileges = ['VM.Audit', 'VM.Clone', 'VM.Config.Network', 'VM.Config.Options', 'VM.PowerMgmt'];

/** Every privilege Umbra uses and where it uses it, least first. */
export function needs(site: Wanted): Need[] {
  const agent = majorOf(site.version) >= 9 ? 'VM.GuestAgent.Audit' : 'VM.Monitor';
  const shadows = site.pool === undefined ? '/vms' : `/pool/${site.pool}`;
  return [
    { path: shadows, privileges: [...shadowPrivileges, agent] },
    ...(site.pool === undefined ? [] : [{ path: shadows, privileges: ['Pool.Allocate', 'Pool.Audit'] }]),
    ...site.guests.map((vmid) => ({ path: `/vms/${vmid}`, privileges: [...primaryPrivileges, agent] })),
    {
      path: site.storage === undefined ? '/storage' : `/storage/${site.storage}`,
      privileges: ['Datastore.AllocateSpace', 'Datastore.Audit'],
    },
    { path: `/sdn/zones/${site.bridgeZone ?? 'localnetwork'}`, privileges: ['SDN.Use'] },
    { path: '/', privileges: ['Sys.Audit', ...(site.usesHa ? ['Sys.Console'] : [])] },
  ];
}

/** One finding per privilege and path, each with the commands that grant it. */
export function findings(site: Wanted, permissions: Permissions): RightsFinding[] {
  return needs(site).flatMap(({ path, privileges }) =>
    privileges.map((privilege) => ({
      privilege,
      path,
      granted: isGranted(permissions, path, privilege),
      mend: mendFor(site.tokenId, path, privilege),
    })),
  );
}

/**
 * The entry of the path itself decides, else the nearest one above it, and that only with what it passes on. Proxmox
 * lists every path that has an entry of its own, with what is in force there.
 */
export function isGranted(permissions: Permissions, path: string, privilege: string): boolean {
  const own = permissions[path];
  if (own !== undefined) return privilege in own;
  for (let above = parentOf(path); above !== undefined; above = parentOf(above)) {
    const entry = permissions[above];
    if (entry !== undefined) return entry[privilege] === 1;
  }
  return false;
}

function parentOf(path: string): string | undefined {
  if (path === '/') return undefined;
  const cut = path.lastIndexOf('/');
  return cut === 0 ? '/' : path.slice(0, cut);
}

/** Appends to the role and grants it at the path: to the token, and to its user, without whom the token has nothing. */
function mendFor(tokenId: string, path: string, privilege: string): string {
  const user = tokenId.split('!')[0] ?? tokenId;
  const where =
    path === '/' || path.startsWith('/sdn') || path.startsWith('/storage') ? `${role}${scopeOf(path)}` : role;
  return (
    `pveum role modify ${where} --privs ${privilege} --append 1 && ` +
    `pveum acl modify ${path} --users '${user}' --roles ${where} && ` +
    `pveum acl modify ${path} --tokens '${tokenId}' --roles ${where}`
  );
}

/** Roles by place, so that a right on one storage is not handed out for all guests: UmbraStorage, UmbraNetwork, UmbraCluster. */
function scopeOf(path: string): string {
  if (path.startsWith('/storage')) return 'Storage';
  return path.startsWith('/sdn') ? 'Network' : 'Cluster';
}

function majorOf(version: string): number {
  return Number(version.split('.')[0]);
}
