import { has } from '../../access/permissions.ts';
import { parseVolume, volumeParts } from '../../cluster/volumes.ts';
import { without } from '../../without.ts';
import { isShared } from '../../world/world.ts';
import type { WorldStorage } from '../../world/world.ts';
import { badParameter } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { statusOf } from './status.ts';
import { nodeStatus, versionOf } from './cluster.ts';

/** What a client pins; the same for every node of a simulated cluster. */
const fingerprintOf = (call: Call): object =>
  call.cluster.fingerprint === undefined ? {} : { ssl_fingerprint: call.cluster.fingerprint };

const isEnabled = (storage: WorldStorage, node: string): boolean =>
  storage.options['disable'] !== '1' && (storage.options['nodes']?.split(/[,;\s]+/).includes(node) ?? true);

function storageRow(call: Call, storage: WorldStorage): Record<string, unknown> {
  const { cluster, node } = call;
  const active = isEnabled(storage, node) && !cluster.volumes.offline.has(storage.id);
  const used = active ? cluster.volumes.usedBytes(storage, node) : 0;
  const total = active ? storage.totalBytes : 0;
  return {
    storage: storage.id,
    type: storage.type,
    content: storage.options['content'] ?? 'images,rootdir',
    enabled: isEnabled(storage, node) ? 1 : 0,
    active: active ? 1 : 0,
    shared: isShared(storage) ? 1 : 0,
    total,
    used,
    avail: total - used,
    ...(total > 0 ? { used_fraction: used / total } : {}),
  };
}

const seesStorage = (call: Call, id: string): boolean =>
  ['Datastore.Audit', 'Datastore.AllocateSpace'].some((privilege) =>
    has(call.cluster.world, call.who, `/storage/${id}`, privilege),
  );

const noSuchStorage = (): Error => badParameter({ storage: 'No such storage.' });

/** The files of other kinds than images, as lists call their formats. */
const formats: Readonly<Record<string, string>> = { iso: 'iso', vztmpl: 'tgz', snippets: 'snippet', import: 'raw' };

type Row = { readonly volid: string } & Readonly<Record<string, unknown>>;

/** What is on a storage, as far as the caller may see it. */
function contentOf(call: Call): object[] {
  const { cluster, args, node, who } = call;
  const storage = cluster.volumes.activeStorage(args.need('storage'), node);
  const owner = args.number('vmid');
  const kinds = cluster.volumes.contentOf(storage).filter((kind) => [kind, undefined].includes(args.text('content')));
  const may = (path: string, privilege: string): boolean => has(cluster.world, who, path, privilege);
  const isSeen = (vmid: number): boolean =>
    may(`/storage/${storage.id}`, 'Datastore.Allocate') ||
    (may(`/storage/${storage.id}`, 'Datastore.Audit') && may(`/vms/${vmid}`, 'VM.Config.Disk'));
  const rows: Row[] = [];
  for (const { name, bytes } of cluster.volumes.onNode(storage.id, node)) {
    const volid = `${storage.id}:${name}`;
    const content = volumeParts(volid)?.content;
    if (content === undefined || !kinds.includes(content)) continue;
    const image = parseVolume(volid);
    if (!image) {
      if (owner === undefined) rows.push({ volid, content, format: formats[content] ?? 'raw', size: bytes });
      continue;
    }
    if ((owner !== undefined && image.owner !== owner) || !isSeen(image.owner)) continue;
    rows.push({
      volid,
      content,
      format: image.format,
      size: bytes,
      used: image.base === undefined ? bytes : Math.floor(bytes / 20),
      vmid: image.owner,
      ...(image.base === undefined ? {} : { parent: `../${image.base}` }),
    });
  }
  return rows.sort((a, b) => (a.volid.toLowerCase() < b.volid.toLowerCase() ? -1 : 1));
}

export const nodeHandlers: Readonly<Record<string, Handler>> = {
  'GET /nodes': (call) => {
    const { cluster, who } = call;
    return [...cluster.world.nodes.values()].map((node) => {
      const status = nodeStatus(call, node.name);
      const row = { id: `node/${node.name}`, type: 'node', node: node.name, status, ...fingerprintOf(call) };
      const sample = cluster.view.of(node.name);
      if (!sample || status !== 'online' || !has(cluster.world, who, `/nodes/${node.name}`, 'Sys.Audit')) return row;
      return {
        ...row,
        level: '',
        cpu: sample.cpu,
        maxcpu: node.cpus,
        mem: sample.mem,
        maxmem: node.memoryBytes,
        disk: 8 * 2 ** 30,
        maxdisk: 100 * 2 ** 30,
        uptime: Math.floor((cluster.clock.now() - sample.startedAt) / 1000),
      };
    });
  },
  'GET /nodes/{node}/status': ({ cluster, node }) => {
    const machine = cluster.world.nodes.get(node)!;
    const sample = cluster.view.of(node);
    const used = sample?.mem ?? 0;
    return {
      uptime: sample ? Math.floor((cluster.clock.now() - sample.startedAt) / 1000) : 0,
      cpu: sample?.cpu ?? 0,
      wait: 0,
      idle: 0,
      loadavg: ['0.10', '0.12', '0.09'],
      memory: {
        total: machine.memoryBytes,
        used,
        free: machine.memoryBytes - used,
        available: machine.memoryBytes - used,
      },
      swap: { total: 0, used: 0, free: 0 },
      rootfs: { total: 100 * 2 ** 30, used: 8 * 2 ** 30, free: 92 * 2 ** 30, avail: 92 * 2 ** 30 },
      cpuinfo: { cpus: machine.cpus, cores: machine.cpus, sockets: 1, model: 'simulated', mhz: '3000.000', hvm: '1' },
      pveversion: `pve-manager/${(versionOf(cluster.world.release) as { version: string }).version}/simulated`,
      kversion: 'Linux simulated',
      ksm: { shared: 0 },
    };
  },
  'GET /nodes/{node}/version': ({ cluster }) => versionOf(cluster.world.release),
  'GET /nodes/{node}/qemu': (call) =>
    [...call.cluster.world.guests.values()]
      .filter((guest) => guest.node === call.node)
      .filter((guest) => has(call.cluster.world, call.who, `/vms/${guest.vmid}`, 'VM.Audit'))
      .map((guest) => {
        const row = without(statusOf(call, guest.vmid), 'ha', 'agent');
        return call.args.flag('full') ? row : without(row, 'qmpstatus');
      }),
  'GET /nodes/{node}/storage': (call) => {
    const { cluster, args, node } = call;
    const content = args.list('content');
    const wanted = args.text('storage');
    const target =
      args.text('target') === node || args.text('target') === 'localhost' ? undefined : args.text('target');
    const known = [...cluster.world.storages.values()].filter(
      (storage) =>
        content.length === 0 ||
        (isEnabled(storage, node) && cluster.volumes.contentOf(storage).some((kind) => content.includes(kind))),
    );
    if (wanted !== undefined && !known.some(({ id }) => id === wanted)) throw noSuchStorage();
    return known
      .filter((storage) => seesStorage(call, storage.id))
      .filter((storage) => wanted === undefined || storage.id === wanted)
      .filter((storage) => !args.flag('enabled') || storage.options['disable'] !== '1')
      .filter((storage) => target === undefined || (isShared(storage) && isEnabled(storage, target)))
      .map((storage) => storageRow(call, storage));
  },
  'GET /nodes/{node}/storage/{storage}/status': (call) => {
    const storage = call.cluster.world.storages.get(call.args.need('storage'));
    if (!storage) throw noSuchStorage();
    return without(storageRow(call, storage), 'storage', 'used_fraction');
  },
  'GET /nodes/{node}/storage/{storage}/content': contentOf,
};
