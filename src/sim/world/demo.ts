import { randomUUID } from 'node:crypto';
import { emptyConfig } from './guest-config.ts';
import { emptyWorld, gibibyte } from './world.ts';
import type { World } from './world.ts';

export type DemoOptions = {
  /** One hosted VM for each name: vmid 101, 102... */
  readonly names?: readonly string[];
  readonly nodes?: readonly string[];
  /** `127.10.0.` plus the vmid is a guest's address. */
  readonly network?: string;
  readonly memoryMiB?: number;
  readonly cores?: number;
  readonly tokenSecret?: string;
};

/** What Umbra's role needs on a cluster, in PVE 9's words. */
const umbraPrivileges: readonly string[] = [
  ...['VM.Allocate', 'VM.Clone', 'VM.Audit', 'VM.PowerMgmt', 'VM.Migrate', 'VM.Snapshot', 'VM.GuestAgent.Audit'],
  ...['Disk', 'CPU', 'Memory', 'Network', 'Options', 'Cloudinit', 'HWType', 'CDROM'].map((of) => `VM.Config.${of}`),
  ...[
    'Datastore.AllocateSpace',
    'Datastore.Audit',
    'SDN.Use',
    'Pool.Audit',
    'Pool.Allocate',
    'Sys.Audit',
    'Sys.Console',
  ],
];

/**
 * Three nodes, six hosted VMs that run, a template, a pool, and a token for Umbra. The secret is in the world and in
 * the answer; whoever calls writes it to a file that only its owner can read.
 */
export function demoWorld(options: DemoOptions = {}): { world: World; token: { id: string; secret: string } } {
  const names = options.names ?? ['shop', 'blog', 'api', 'mail', 'wiki', 'auth'];
  const nodes = options.nodes ?? ['pve1', 'pve2', 'pve3'];
  const network = options.network ?? '127.10.0.';
  const memory = String(options.memoryMiB ?? 2048);
  const cores = String(options.cores ?? 2);
  const world = emptyWorld();
  for (const name of nodes) world.nodes.set(name, { name, on: true, cpus: 16, memoryBytes: 64 * gibibyte });
  world.storages.set('tank', {
    id: 'tank',
    type: 'rbd',
    options: { pool: 'tank', content: 'images,rootdir', shared: '1' },
    totalBytes: 2048 * gibibyte,
  });
  // Where a linked clone's disk goes when it is cut loose: blocks cannot be copied within their own storage.
  world.storages.set('vault', {
    id: 'vault',
    type: 'rbd',
    options: { pool: 'vault', content: 'images', shared: '1' },
    totalBytes: 1024 * gibibyte,
  });
  const addDisk = (vmid: number, node: string, base = false): string => {
    const name = `${base ? 'base' : 'vm'}-${vmid}-disk-0`;
    world.volumes.push({ storage: 'tank', name, node, bytes: 4 * gibibyte });
    world.volumes.push({ storage: 'tank', name: `vm-${vmid}-cloudinit`, node, bytes: 4 * 2 ** 20 });
    return `tank:${name},size=4G`;
  };
  const guest = (vmid: number, node: string, name: string, extra: Record<string, string>): void => {
    const template = extra['template'] === '1';
    world.guests.set(vmid, {
      vmid,
      node,
      running: !template,
      config: emptyConfig({
        agent: '1',
        boot: 'order=scsi0',
        ciuser: 'app',
        cores,
        ide2: `tank:vm-${vmid}-cloudinit,media=cdrom,size=4M`,
        memory,
        name,
        net0: `virtio=BC:24:11:00:${String(Math.floor(vmid / 100)).padStart(2, '0')}:${String(vmid % 100).padStart(2, '0')},bridge=vmbr0`,
        ostype: 'l26',
        scsi0: addDisk(vmid, node, template),
        scsihw: 'virtio-scsi-single',
        smbios1: `uuid=${randomUUID()}`,
        ...extra,
      }),
    });
  };
  names.forEach((name, at) => {
    const vmid = 101 + at;
    const ipconfig0 = `ip=${network}${vmid}/8`;
    guest(vmid, nodes[at % nodes.length]!, name, { ipconfig0, onboot: '1', tags: 'hosted' });
  });
  guest(9000, nodes[0]!, 'golden', { template: '1', tags: 'golden', ipconfig0: 'ip=dhcp' });
  world.pools.set('umbra', { comment: 'shadows', vms: new Set(), storages: new Set() });
  world.roles.set('Umbra', new Set(umbraPrivileges));
  world.users.set('umbra@pve', { id: 'umbra@pve', enabled: true, expire: 0 });
  const secret = options.tokenSecret ?? randomUUID();
  const id = 'umbra@pve!umbra';
  world.tokens.set(id, { id, expire: 0, privsep: false, secret });
  for (const path of ['/', '/vms', '/storage', '/pool', '/sdn']) {
    world.acls.push({ path, propagate: true, who: 'umbra@pve', role: 'Umbra' });
  }
  return { world, token: { id, secret } };
}
