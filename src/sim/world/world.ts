import type { Firewall } from './firewall.ts';
import type { GuestConfig } from './guest-config.ts';

/** The releases whose differences the simulator knows. */
export const releases = ['8.4', '9.1', '9.2'] as const;
export type Release = (typeof releases)[number];

type WorldNode = { readonly name: string; on: boolean; readonly cpus: number; readonly memoryBytes: number };

export type WorldGuest = { readonly vmid: number; node: string; config: GuestConfig; running: boolean };

/** One entry of `storage.cfg`, its options as written there. */
export type WorldStorage = {
  readonly id: string;
  readonly type: string;
  readonly options: Record<string, string>;
  readonly totalBytes: number;
};

/** A volume. On a storage that is not shared it lives on one node only. */
export type WorldVolume = {
  readonly storage: string;
  readonly name: string;
  readonly node: string;
  bytes: number;
  /** When it was made, in seconds; as old as the world when nobody knows. */
  readonly ctime?: number;
  notes?: string;
  protected?: boolean;
};

export type WorldUser = {
  readonly id: string;
  enabled: boolean;
  expire: number;
  firstname?: string;
  lastname?: string;
  email?: string;
  comment?: string;
  keys?: string;
};
export type WorldToken = { readonly id: string; expire: number; privsep: boolean; secret: string; comment?: string };
export type WorldGroup = { members: Set<string>; comment?: string };
export type WorldAcl = {
  readonly path: string;
  readonly propagate: boolean;
  /** User ids, token ids, or `@group`. */
  readonly who: string;
  readonly role: string;
};
export type WorldPool = { comment: string; vms: Set<number>; storages: Set<string> };

export type HaState = 'started' | 'stopped' | 'enabled' | 'disabled' | 'ignored';
export type WorldHaResource = {
  /** Started, when nobody said anything. */
  state?: HaState;
  group?: string;
  comment?: string;
  failback?: boolean;
  maxRestart?: number;
  maxRelocate?: number;
};

/** Where resources may run, and with whom: an entry of `rules.cfg` (PVE 9) or `groups.cfg` (PVE 8), as written there. */
export type WorldHaRule = { readonly type: string; readonly options: Record<string, string> };

/** A backup of a guest: the two files it carries beside the disks. */
export type WorldArchive = { readonly config: string; readonly firewall?: string };

/** A cluster as it could be found on disk: what `/etc/pve` holds, the volumes, and which machines have power. */
export type World = {
  release: Release;
  nodes: Map<string, WorldNode>;
  guests: Map<number, WorldGuest>;
  /** Containers are listed and hold their ids; nothing else can be done with them. */
  containers: Map<number, { readonly node: string; readonly config: GuestConfig }>;
  storages: Map<string, WorldStorage>;
  volumes: WorldVolume[];
  users: Map<string, WorldUser>;
  groups: Map<string, WorldGroup>;
  tokens: Map<string, WorldToken>;
  roles: Map<string, Set<string>>;
  acls: WorldAcl[];
  pools: Map<string, WorldPool>;
  ha: Map<string, WorldHaResource>;
  haRules: Map<string, WorldHaRule>;
  haGroups: Map<string, WorldHaRule>;
  /** The `.fw` files, by their names below `/etc/pve`; none where nobody set anything. */
  firewalls: Map<string, Firewall>;
  /** Entries of `replication.cfg` and of `jobs.cfg`, by their ids, as written there. */
  replicationJobs: Map<string, Record<string, string>>;
  backupJobs: Map<string, Record<string, string>>;
  /** What the archives on storages hold, by volume: the guest's configuration and its firewall. */
  archives: Map<string, WorldArchive>;
  /** `datacenter.cfg` as written. */
  datacenter: Record<string, string>;
};

export const gibibyte = 2 ** 30;
/** What a node has when the world does not say. */
export const usualNode = { cpus: 2, memoryBytes: 64 * gibibyte };
/** What a storage holds when the world does not say. */
export const usualStorageBytes = 2048 * gibibyte;

/** Proxmox has this storage even when `storage.cfg` does not name it. */
const builtInStorage: WorldStorage = {
  id: 'local',
  type: 'dir',
  options: { path: '/var/lib/vz', content: 'backup,images,vztmpl,rootdir,iso,snippets' },
  totalBytes: 512 * gibibyte,
};

export const emptyWorld = (): World => ({
  release: '9.2',
  nodes: new Map(),
  guests: new Map(),
  containers: new Map(),
  storages: new Map([['local', builtInStorage]]),
  volumes: [],
  users: new Map([['root@pam', { id: 'root@pam', enabled: true, expire: 0 }]]),
  groups: new Map(),
  tokens: new Map(),
  roles: new Map(),
  acls: [],
  pools: new Map(),
  ha: new Map(),
  haRules: new Map(),
  haGroups: new Map(),
  firewalls: new Map(),
  replicationJobs: new Map(),
  backupJobs: new Map(),
  archives: new Map(),
  datacenter: {},
});

const shared = new Set(['nfs', 'cifs', 'rbd', 'cephfs', 'iscsi', 'iscsidirect', 'pbs', 'zfs']);
export const isShared = (storage: WorldStorage): boolean =>
  shared.has(storage.type) || storage.options['shared'] === '1';
/** The path of a storage of files; undefined for block storage. */
export const pathOf = (storage: WorldStorage): string | undefined =>
  storage.options['path'] ?? (['nfs', 'cifs', 'cephfs'].includes(storage.type) ? `/mnt/pve/${storage.id}` : undefined);
