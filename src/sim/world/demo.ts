import { randomUUID } from 'node:crypto';
import { emptyConfig } from './guest-config.ts';
import { emptyWorld, gibibyte } from './world.ts';
import type { Release, World } from './world.ts';

export type DemoOptions = {
  /** One hosted VM for each name: vmid 101, 102... */
  readonly names?: readonly string[];
  readonly nodes?: readonly string[];
  /** `127.10.0.` plus the vmid is a guest's address. */
  readonly network?: string;
  readonly memoryMiB?: number;
  readonly cores?: number;
  readonly tokenSecret?: string;
  /** Of Proxmox VE; the newest unless told. */
  readonly release?: Release;
  /** What is granted to the token and to its user. Given by who starts the world: it is Umbra's to say what it needs. */
  readonly grants: (ground: DemoGround) => readonly DemoGrant[];
};

/** What there is in the world to grant rights on. */
export type DemoGround = {
  readonly version: string;
  readonly pool: string;
  readonly storages: readonly string[];
  readonly templates: readonly number[];
  readonly primaries: readonly number[];
};

export type DemoGrant = {
  readonly path: string;
  readonly role: string;
  readonly privileges: readonly string[];
  readonly propagates: boolean;
};

/**
 * Three nodes, six hosted VMs that run, a template, a pool, and a privilege-separated token for Umbra. The secret is in the world and in
 * the answer; whoever calls writes it to a file that only its owner can read.
 */
export function demoWorld({ grants, ...options }: DemoOptions): {
  world: World;
  token: { id: string; secret: string };
} {
  const names = options.names ?? ['shop', 'blog', 'api', 'mail', 'wiki', 'auth'];
  const nodes = options.nodes ?? ['pve1', 'pve2', 'pve3'];
  const network = options.network ?? '127.10.0.';
  const memory = String(options.memoryMiB ?? 2048);
  const cores = String(options.cores ?? 2);
  const world = emptyWorld();
  if (options.release !== undefined) world.release = options.release;
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
  world.users.set('umbra@pve', { id: 'umbra@pve', enabled: true, expire: 0 });
  const secret = options.tokenSecret ?? randomUUID();
  const id = 'umbra@pve!umbra';
  world.tokens.set(id, { id, expire: 0, privsep: true, secret });
  const primaries = names.map((_, at) => 101 + at);
  const storages = [...world.storages.keys()];
  grant(
    world,
    ['umbra@pve', id],
    grants({ version: world.release, pool: 'umbra', storages, templates: [9000], primaries }),
  );
  return { world, token: { id, secret } };
}

/** As `pveum role add` and `pveum acl modify`, for a user and for its token. */
export function grant(world: World, to: readonly string[], grants: readonly DemoGrant[]): void {
  for (const { path, role, privileges, propagates } of grants) {
    world.roles.set(role, new Set([...(world.roles.get(role) ?? []), ...privileges]));
    for (const who of to) world.acls.push({ path, propagate: propagates, who, role });
  }
}
