import { bandwidth } from './datacenter-options.ts';
import { atMost, flag, like, oneOf, pattern, text, whole } from './parameter-words.ts';
import type { Parameter, Parameters } from './parameters.ts';

const stepsize: Parameter = { type: 'integer', optional: true, enum: ['1', '2', '4', '8', '16', '32'] };
const storagePath = like('pve-storage-path');

/** What may be said of a storage once and never changed. */
export const fixedStorageOptions: Parameters = {
  authsupported: text,
  base: like('pve-volume-id'),
  datastore: text,
  export: storagePath,
  iscsiprovider: text,
  path: storagePath,
  portal: like('pve-storage-portal-dns'),
  share: text,
  target: text,
  thinpool: like('pve-storage-vgname'),
  vgname: like('pve-storage-vgname'),
};

/** What may be said of a storage at any time. */
export const storageOptions: Parameters = {
  blocksize: text,
  bwlimit: like(bandwidth),
  comstar_hg: text,
  comstar_tg: text,
  content: like('pve-storage-content-list'),
  'content-dirs': like('pve-dir-override-list'),
  'create-base-path': flag,
  'create-subdirs': flag,
  'data-pool': text,
  disable: flag,
  domain: atMost(256),
  'encryption-key': text,
  fingerprint: pattern('([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}'),
  format: oneOf('raw', 'qcow2', 'subvol', 'vmdk'),
  'fs-name': like('pve-configid'),
  fuse: flag,
  is_mountpoint: text,
  keyring: text,
  krbd: flag,
  lio_tpg: text,
  'master-pubkey': text,
  'max-protected-backups': whole(-1),
  mkdir: flag,
  monhost: like('pve-storage-portal-dns-list'),
  mountpoint: storagePath,
  namespace: text,
  nocow: flag,
  nodes: like('pve-node-list'),
  nowritecache: flag,
  options: like('pve-storage-options'),
  password: atMost(256),
  pool: text,
  port: whole(1, 65535),
  preallocation: oneOf('off', 'metadata', 'falloc', 'full'),
  'prune-backups': like('prune-backups'),
  saferemove: flag,
  'saferemove-stepsize': stepsize,
  saferemove_throughput: text,
  server: like('pve-storage-server'),
  shared: flag,
  'skip-cert-verification': flag,
  smbversion: oneOf('default', '2.0', '2.1', '3', '3.0', '3.11'),
  'snapshot-as-volume-chain': flag,
  sparse: flag,
  subdir: storagePath,
  tagged_only: flag,
  username: text,
  'zfs-base-path': storagePath,
};

type StorageType = {
  readonly required: readonly string[];
  readonly content: readonly string[];
  /** Everything it understands besides what all do; where it is not known here, everything there is. */
  readonly understands?: readonly string[];
};

const files = ['images', 'rootdir', 'vztmpl', 'iso', 'backup', 'snippets', 'import', 'none'];
const blocks = ['images', 'rootdir', 'none'];
/** What every kind of storage understands. */
export const ofEveryStorage = ['nodes', 'disable', 'content', 'bwlimit'];

export const storageTypes: Readonly<Record<string, StorageType>> = {
  btrfs: { required: ['path'], content: files },
  cephfs: { required: [], content: ['vztmpl', 'iso', 'backup', 'snippets', 'import'] },
  cifs: { required: ['server', 'share'], content: files },
  dir: {
    required: ['path'],
    content: files,
    understands: [
      ...['content-dirs', 'shared', 'prune-backups', 'max-protected-backups', 'format', 'mkdir', 'create-base-path'],
      ...['create-subdirs', 'is_mountpoint', 'preallocation', 'snapshot-as-volume-chain'],
    ],
  },
  esxi: { required: ['server', 'username'], content: ['import'] },
  iscsi: { required: ['portal', 'target'], content: ['images', 'none'] },
  iscsidirect: { required: ['portal', 'target'], content: ['images'] },
  lvm: { required: ['vgname'], content: blocks },
  lvmthin: { required: ['thinpool', 'vgname'], content: ['images', 'rootdir'] },
  nfs: { required: ['export', 'server'], content: files },
  pbs: { required: ['datastore', 'server'], content: ['backup', 'none'] },
  rbd: { required: [], content: ['images', 'rootdir'] },
  zfs: { required: ['blocksize', 'iscsiprovider', 'pool', 'portal', 'target'], content: ['images'] },
  zfspool: { required: ['pool'], content: ['images', 'rootdir'] },
};
