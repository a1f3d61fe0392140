import { has } from '../../access/permissions.ts';
import { parseVolume } from '../../cluster/volumes.ts';
import { without } from '../../without.ts';
import { isShared } from '../../world/world.ts';
import type { WorldStorage } from '../../world/world.ts';
import type { Call, Handler } from '../operation.ts';
import { statusOf } from './status.ts';
import { nodeStatus, versionOf } from './cluster.ts';

/** What a client pins; the same for every node of a simulated cluster. */
const fingerprintOf = (call: Call): object =>
  call.cluster.fingerprint === undefined ? {} : { ssl_fingerprint: call.cluster.fingerprint };

function storageRow(call: Call, storage: WorldStorage): Record<string, unknown> {
  const { cluster, node } = call;
  const active = !cluster.volumes.offline.has(storage.id);
  const used = active ? cluster.volumes.usedBytes(storage, node) : 0;
  const total = active ? storage.totalBytes : 0;
  return {
    storage: storage.id,
    type: storage.type,
    content: storage.options['content'] ?? 'images,rootdir',
    enabled: storage.options['disable'] === '1' ? 0 : 1,
    active: active ? 1 : 0,
    shared: isShared(storage) ? 1 : 0,
    total,
    used,
    avail: total - used,
    used_fraction: total > 0 ? used / total : 0,
  };
}

const seesStorage = (call: Call, id: string): boolean =>
  ['Datastore.Audit', 'Datastore.AllocateSpace'].some((privilege) =>
    has(call.cluster.world, call.who, `/storage/${id}`, privilege),
  );

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
    const content = call.args.list('content');
    const wanted = call.args.text('storage');
    return [...call.cluster.world.storages.values()]
      .filter((storage) => seesStorage(call, storage.id))
      .filter((storage) => wanted === undefined || storage.id === wanted)
      .filter((storage) => storage.options['nodes']?.split(/[,;\s]+/).includes(call.node) ?? true)
      .filter((storage) => !call.args.flag('enabled') || storage.options['disable'] !== '1')
      .filter(
        (storage) =>
          content.length === 0 || call.cluster.volumes.contentOf(storage).some((kind) => content.includes(kind)),
      )
      .map((storage) => storageRow(call, storage));
  },
  'GET /nodes/{node}/storage/{storage}/status': (call) => {
    const id = call.args.need('storage');
    return without(storageRow(call, call.cluster.volumes.enabledStorage(id, call.node)), 'storage', 'used_fraction');
  },
  'GET /nodes/{node}/storage/{storage}/content': (call) => {
    const { cluster, args, node } = call;
    const storage = cluster.volumes.activeStorage(args.need('storage'), node);
    const owner = args.number('vmid');
    if (args.text('content') !== undefined && args.text('content') !== 'images') return [];
    return cluster.volumes
      .onNode(storage.id, node)
      .map((volume) => ({ volume, name: parseVolume(`${volume.storage}:${volume.name}`) }))
      .filter(({ name }) => name !== undefined && (owner === undefined || name.owner === owner))
      .map(({ volume, name }) => ({
        volid: `${volume.storage}:${volume.name}`,
        content: 'images',
        format: name!.format,
        size: volume.bytes,
        used: name!.base === undefined ? volume.bytes : Math.floor(volume.bytes / 20),
        vmid: String(name!.owner),
        ...(name!.base === undefined ? {} : { parent: `../${name!.base}` }),
      }));
  },
};
