import { agentEnabled, disksOf } from '../../cluster/drive.ts';
import { guestMetrics } from '../../cluster/view.ts';
import { isShared } from '../../world/world.ts';
import { parsePropertyString } from '../parameters.ts';
import { vga } from '../property-strings.ts';
import { failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';

/** Everything the API says of how one guest is now. */
export function statusOf(call: Call, vmid: number): Record<string, unknown> {
  const { cluster } = call;
  const guest = cluster.world.guests.get(vmid)!;
  const machine = cluster.machines.get(vmid);
  const metrics = guestMetrics(cluster, vmid);
  const { lock, tags } = guest.config.current;
  const of9 = cluster.world.release !== '8.4';
  const { diskread, diskwrite, maxcpu, template, status, ...rest } = metrics;
  return {
    ...rest,
    vmid,
    cpus: maxcpu,
    disk: 0,
    status: machine ? 'running' : 'stopped',
    qmpstatus: status,
    ...(machine
      ? { pid: machine.pid, diskread, diskwrite, 'running-machine': 'pc-i440fx-10.1+pve0', 'running-qemu': '10.1.2' }
      : {}),
    ...(machine && of9 ? pressures(cluster.machines.demandOf(machine)) : {}),
    ...(of9 ? { memhost: machine ? Math.floor(metrics.mem * 1.05) : 0 } : {}),
    ...(template ? { template: 1 } : {}),
    ...(lock === undefined ? {} : { lock }),
    ...(tags === undefined || tags === '' ? {} : { tags }),
    ...(agentEnabled(guest.config.current) ? { agent: 1 } : {}),
    ...(Number(guest.config.current['balloon'] ?? 0) > 0
      ? {
          balloon_min: Number(guest.config.current['balloon']) * 2 ** 20,
          shares: Number(guest.config.current['shares'] ?? 1000),
        }
      : {}),
    ...(Object.keys(guest.config.current).some((key) => /^serial\d$/.test(key)) ? { serial: 1 } : {}),
    ...displayOf(guest.config.current['vga']),
    ha: haOf(call, vmid),
  };
}

/** Spice is there for these displays; a display that is named has a clipboard, if an undefined one. */
function displayOf(option: string | undefined): Record<string, unknown> {
  if (option === undefined) return {};
  const parsed = parsePropertyString(vga, option);
  const { type = '', clipboard = null } = typeof parsed === 'string' ? {} : parsed;
  return { ...(/^virtio|^qxl[234]?$/.test(type) ? { spice: 1 } : {}), clipboard };
}

const pressures = (demand: number): Record<string, number> => {
  const cpu = demand > 0.85 ? Math.min(100, (demand - 0.85) * 200) : 0;
  return {
    pressurecpusome: cpu,
    pressurecpufull: 0,
    pressureiosome: 0,
    pressureiofull: 0,
    pressurememorysome: 0,
    pressurememoryfull: 0,
  };
};

/** Managed, and how the manager sees it; it has not seen a resource at all before its next round. */
function haOf({ cluster }: Call, vmid: number): Record<string, unknown> {
  const sid = `vm:${vmid}`;
  const resource = cluster.world.ha.get(sid);
  // What the manager ignores it does not manage.
  if (!resource || resource.state === 'ignored') return { managed: 0 };
  const state = cluster.ha.knows(sid) ? cluster.ha.stateOf(sid) : null;
  return { managed: 1, ...(cluster.world.release === '8.4' ? { group: resource.group ?? null } : {}), state };
}

const steps: Record<string, [number, number]> = {
  hour: [60, 60],
  day: [60, 1440],
  week: [1800, 336],
  month: [1800, 1440],
  year: [21600, 1460],
};

/** Rows of the past as they would be had nothing changed since the guest started; before that they lack their keys. */
function history(call: Call, vmid: number): object[] {
  const { cluster, args } = call;
  const machine = cluster.machines.get(vmid);
  const sample = cluster.view.of(call.node)?.guests.get(vmid);
  if (!sample) {
    throw failed(`RRD error: opening '/var/lib/rrdcached/db/pve2-vm/${vmid}': No such file or directory`);
  }
  let [stepSeconds, rows] = steps[args.need('timeframe')]!;
  if (cluster.world.release === '8.4' && args.need('timeframe') === 'day') [stepSeconds, rows] = [1800, 48];
  const now = Math.floor(cluster.clock.now() / 1000 / stepSeconds) * stepSeconds;
  return Array.from({ length: rows }, (_, at) => {
    const time = now - (rows - at) * stepSeconds;
    if (!machine || time * 1000 < machine.startedAt) return { time };
    const { cpu, mem, maxmem, maxcpu, maxdisk, netin, netout } = sample;
    const seconds = Math.max(1, sample.uptime);
    return {
      time,
      cpu,
      mem,
      maxmem,
      maxcpu,
      maxdisk,
      disk: 0,
      netin: netin / seconds,
      netout: netout / seconds,
      diskread: 0,
      diskwrite: 0,
    };
  });
}

const subdirectories = (...names: string[]): object[] => names.map((subdir) => ({ subdir }));

export const statusHandlers: Readonly<Record<string, Handler>> = {
  'GET /nodes/{node}/qemu/{vmid}': () =>
    subdirectories(
      ...['config', 'cloudinit', 'pending', 'status', 'unlink', 'vncproxy', 'termproxy', 'migrate', 'resize', 'move'],
      ...[
        'rrd',
        'rrddata',
        'monitor',
        'agent',
        'snapshot',
        'spiceproxy',
        'sendkey',
        'firewall',
        'mtunnel',
        'remote_migrate',
      ],
    ),
  'GET /nodes/{node}/qemu/{vmid}/status': (call) => {
    call.cluster.load(call.node, Number(call.args.need('vmid')));
    return subdirectories('current', 'start', 'stop', 'reset', 'shutdown', 'suspend', 'reboot');
  },
  'GET /nodes/{node}/qemu/{vmid}/status/current': (call) => {
    const vmid = Number(call.args.need('vmid'));
    call.cluster.load(call.node, vmid);
    return statusOf(call, vmid);
  },
  'GET /nodes/{node}/qemu/{vmid}/rrddata': (call) => history(call, Number(call.args.need('vmid'))),
  'GET /nodes/{node}/qemu/{vmid}/feature': (call) => {
    const { cluster, args, node } = call;
    const vmid = Number(args.need('vmid'));
    cluster.isRunning(node, vmid);
    const guest = cluster.load(node, vmid);
    const snapname = args.text('snapname');
    const options = snapname === undefined ? guest.config.current : guest.config.snapshots.get(snapname);
    if (!options) throw failed(`snapshot '${snapname ?? ''}' does not exist`);
    const feature = args.need('feature');
    const able = disksOf(options).every((drive) =>
      feature === 'copy'
        ? true
        : cluster.volumes.can(feature === 'clone' ? 'linked' : 'snapshot', drive.file, snapname !== undefined),
    );
    const shared = disksOf(options).every((drive) => isShared(cluster.volumes.storage(drive.file.split(':')[0]!)));
    return { hasFeature: able ? 1 : 0, nodes: shared ? [...cluster.world.nodes.keys()] : [node] };
  },
};
