import { atMost, flag, like, must, needs, oneOf, pattern, text, whole } from './parameter-words.ts';
import type { Operation } from './operation.ts';
import type { Parameter, Parameters } from './parameters.ts';
import { fixedStorageOptions, storageOptions, storageTypes } from './storage-options.ts';
import { anybody, byDaemon, byDaemonAtNode, on, onAny, row } from './rows.ts';

const node = must(like('pve-node'));
const storage = must(like('pve-storage-id'));
const ofStorage: Parameters = { node, storage };
const vmid: Parameter = { ...like('pve-vmid'), type: 'integer', minimum: 100, maximum: 999999999 };
const ofVolume: Parameters = { node, storage: like('pve-storage-id'), volume: must(text) };

const sees = onAny('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace');
const change = on('/storage', 'Datastore.Allocate');
const type = oneOf(...Object.keys(storageTypes));
const onNode = '/nodes/{node}/storage';
const content = `${onNode}/{storage}/content`;

/** Storages as the cluster knows them, as a node sees them, and what is on them. */
export const storageOperations: readonly Operation[] = [
  row('GET /storage', anybody, { type }),
  row('POST /storage', change, { storage, type: must(type), ...storageOptions, ...fixedStorageOptions }, byDaemon),
  row('GET /storage/{storage}', on('/storage/{storage}', 'Datastore.Allocate'), { storage }),
  row(
    'PUT /storage/{storage}',
    change,
    { storage, ...storageOptions, delete: like('pve-configid-list', 4096), digest: atMost(64) },
    byDaemon,
  ),
  row('DELETE /storage/{storage}', change, { storage }, byDaemon),
  row(
    `GET ${onNode}`,
    anybody,
    {
      node,
      storage: like('pve-storage-id'),
      content: like('pve-storage-content-list'),
      enabled: flag,
      format: flag,
      target: like('pve-node'),
    },
    byDaemonAtNode,
  ),
  row(`GET ${onNode}/{storage}/status`, sees, ofStorage, byDaemonAtNode),
  row(`GET ${content}`, sees, { ...ofStorage, content: like('pve-storage-content'), vmid }, byDaemonAtNode),
  row(
    `POST ${content}`,
    on('/storage/{storage}', 'Datastore.AllocateSpace'),
    {
      ...ofStorage,
      vmid: must(vmid),
      filename: must(text),
      size: must(pattern('\\d+[MG]?')),
      format: needs('size', oneOf('raw', 'qcow2', 'subvol', 'vmdk')),
    },
    byDaemonAtNode,
  ),
  row(`GET ${content}/{volume}`, anybody, ofVolume, byDaemonAtNode),
  row(`PUT ${content}/{volume}`, anybody, { ...ofVolume, notes: text, protected: flag }, byDaemonAtNode),
  row(`DELETE ${content}/{volume}`, anybody, { ...ofVolume, delay: whole(1, 30) }, byDaemonAtNode),
  row(
    `POST ${onNode}/{storage}/download-url`,
    {
      kind: 'and',
      of: [
        on('/storage/{storage}', 'Datastore.AllocateTemplate'),
        { kind: 'or', of: [on('/', 'Sys.Audit', 'Sys.Modify'), on('/nodes/{node}', 'Sys.AccessNetwork')] },
      ],
    },
    {
      ...ofStorage,
      content: must({ ...oneOf('iso', 'vztmpl', 'import'), format: 'pve-storage-content' }),
      filename: must(atMost(255)),
      url: must(pattern('https?://.*')),
      checksum: needs('checksum-algorithm', text),
      'checksum-algorithm': needs('checksum', oneOf('md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512')),
      compression: text,
      'verify-certificates': flag,
    },
    byDaemonAtNode,
  ),
];
