/** What one cluster is to Umbra, as far as rights depend on it. */
export type Ground = {
  /** `9.1.4`: what Proxmox calls its privileges depends on it. */
  readonly version: string;
  readonly pool?: string | undefined;
  /** Where disks of templates, primaries and shadows lie. */
  readonly storages: readonly string[];
  /** Templates, or other guests that shadows are copied from. */
  readonly templates: readonly number[];
  readonly primaries: readonly number[];
  /** Whether HA manages a primary. */
  readonly usesHa?: boolean;
};

/**
 * Whether a right holds below its path too: it is needed there, it may (Proxmox's default, and there is nothing below
 * that matters), or it is withheld.
 */
export type Below = 'needed' | 'allowed' | 'withheld';

/** A role and where it is granted. Roles are by place, so that what is needed in one is not handed out in another. */
export type Place = {
  readonly role: string;
  readonly paths: (ground: Ground) => readonly string[];
  readonly below: (ground: Ground) => Below;
};

const allowed = (): Below => 'allowed';

export const places = {
  shadows: {
    role: 'Umbra',
    paths: ({ pool }) => [pool === undefined ? '/vms' : `/pool/${pool}`],
    below: ({ pool }) => (pool === undefined ? 'needed' : 'allowed'),
  },
  primaries: {
    role: 'UmbraPrimary',
    paths: ({ primaries }) => primaries.map((vmid) => `/vms/${vmid}`),
    below: allowed,
  },
  templates: {
    role: 'UmbraTemplate',
    paths: ({ templates }) => templates.map((vmid) => `/vms/${vmid}`),
    below: allowed,
  },
  storages: {
    role: 'UmbraStorage',
    paths: ({ storages }) => storages.map((storage) => `/storage/${storage}`),
    below: allowed,
  },
  // Proxmox asks at the bridge, and with a VLAN tag below that.
  network: { role: 'UmbraNetwork', paths: () => ['/sdn/zones/localnetwork'], below: () => 'needed' },
  // Sys.Console on a node would be a shell on it.
  cluster: { role: 'UmbraCluster', paths: () => ['/'], below: () => 'withheld' },
  nodes: { role: 'UmbraNodes', paths: () => ['/nodes'], below: () => 'needed' },
} as const satisfies Record<string, Place>;

export type PlaceName = keyof typeof places;

/** One privilege at one place, and what cannot be done without it. */
export type Privilege = {
  readonly at: PlaceName;
  readonly name: string;
  readonly why: string;
  /** Major versions of Proxmox VE that know it; all unless told. */
  readonly from?: number;
  readonly before?: number;
  /** Only where HA manages a primary. */
  readonly withHa?: true;
};

/**
 * Every privilege Umbra uses, where, and what for: the one place that says so. The manual's commands, doctor's checks,
 * the demonstration's token and the token of every test are made from it, so that a right nobody grants is a right
 * nobody can come to depend on.
 */
export const privileges: readonly Privilege[] = [
  { at: 'shadows', name: 'VM.Allocate', why: 'clone into the pool; delete what was retired' },
  { at: 'shadows', name: 'VM.Audit', why: 'see shadows and read their markers' },
  { at: 'shadows', name: 'VM.Clone', why: 'copy a promoted shadow' },
  { at: 'shadows', name: 'VM.Config.CPU', why: 'cores of a tier' },
  { at: 'shadows', name: 'VM.Config.Disk', why: 'grow a disk, cut a linked clone loose, hibernate' },
  { at: 'shadows', name: 'VM.Config.HWType', why: "the heartbeat's instance id, which rides in `smbios1`" },
  { at: 'shadows', name: 'VM.Config.Memory', why: 'memory of a tier' },
  { at: 'shadows', name: 'VM.Config.Network', why: 'address (`ipconfigN`, `cicustom`) and cards' },
  { at: 'shadows', name: 'VM.Config.Options', why: 'name, marker, tags, protection, start at boot' },
  { at: 'shadows', name: 'VM.PowerMgmt', why: 'start, pause, stop' },
  { at: 'shadows', name: 'VM.GuestAgent.Audit', from: 9, why: "ask the guest's agent" },
  { at: 'shadows', name: 'VM.Monitor', before: 9, why: "ask the guest's agent" },

  { at: 'primaries', name: 'VM.Audit', why: 'see it and where it runs' },
  { at: 'primaries', name: 'VM.Clone', why: 'copy it, where no template is named' },
  { at: 'primaries', name: 'VM.Config.Network', why: 'its firewall, the last rung of a fence (`fenceFirewall`)' },
  { at: 'primaries', name: 'VM.Config.Options', why: 'marker, tags, protection, start at boot' },
  { at: 'primaries', name: 'VM.PowerMgmt', why: 'stop it when it failed; start it to hand back' },
  { at: 'primaries', name: 'VM.Allocate', why: 'delete it, once adopted, replaced and retired for its keep time' },
  { at: 'primaries', name: 'VM.GuestAgent.Audit', from: 9, why: 'hear that a backup holds its file systems' },
  { at: 'primaries', name: 'VM.Monitor', before: 9, why: 'hear that a backup holds its file systems' },

  { at: 'templates', name: 'VM.Audit', why: 'see it and where its disks lie' },
  { at: 'templates', name: 'VM.Clone', why: 'copy it' },

  { at: 'storages', name: 'Datastore.AllocateSpace', why: 'disks of shadows' },
  { at: 'storages', name: 'Datastore.Audit', why: 'which nodes reach it, how full it is' },

  { at: 'network', name: 'SDN.Use', why: 'give a shadow a card on a bridge (often forgotten)' },

  { at: 'cluster', name: 'Sys.Audit', why: 'quorum, members, the state of HA' },
  { at: 'cluster', name: 'Sys.Console', withHa: true, why: 'take a failed primary out of the hands of HA' },

  { at: 'nodes', name: 'Sys.Audit', why: "a node's memory and cores; without it Proxmox leaves them out" },
];

/** A role with its privileges, granted at a path. */
export type Grant = {
  readonly path: string;
  readonly role: string;
  readonly privileges: readonly string[];
  readonly propagates: boolean;
};

/** What the manual grants, and nothing else: to the token, and to its user, without whom the token has nothing. */
export function grantsFor(ground: Ground): Grant[] {
  return placeNames.flatMap((at) => {
    const { role, paths, below } = placeOf(at);
    const names = privilegesAt(at, ground).map(({ name }) => name);
    return paths(ground).map((path) => ({ path, role, privileges: names, propagates: below(ground) !== 'withheld' }));
  });
}

export const placeNames = Object.keys(places) as PlaceName[];

export function placeOf(at: PlaceName): Place {
  return places[at];
}

export function privilegesAt(
  at: PlaceName,
  { version, usesHa = false }: Pick<Ground, 'version' | 'usesHa'>,
): Privilege[] {
  const major = Number(version.split('.')[0]);
  return privileges.filter(
    (one) =>
      one.at === at &&
      major >= (one.from ?? 0) &&
      major < (one.before ?? Infinity) &&
      (usesHa || one.withHa === undefined),
  );
}
