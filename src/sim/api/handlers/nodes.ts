import { has } from '../../access/permissions.ts';
import { without } from '../../without.ts';
import type { Call, Handler } from '../operation.ts';
import { statusOf } from './status.ts';
import { versionOf } from './cluster.ts';
import { nodeRow } from './node-row.ts';

/** What a client pins; the same for every node of a simulated cluster. */
const fingerprintOf = (call: Call): object =>
  call.cluster.fingerprint === undefined ? {} : { ssl_fingerprint: call.cluster.fingerprint };

export const nodeHandlers: Readonly<Record<string, Handler>> = {
  'GET /nodes': (call) =>
    [...call.cluster.world.nodes.keys()].map((node) => ({ ...nodeRow(call, node), ...fingerprintOf(call) })),
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
};
