import { isIP } from 'node:net';
import type { Cluster } from '../cluster/cluster.ts';
import type { Machine } from './machine.ts';
import { fateOf } from './reach.ts';

/** What a guest finds in the serial number of its board: who it is, and the token that proves it. */
function identityOf(machine: Machine): { instance: string; token: string } | undefined {
  const smbios = machine.options['smbios1'] ?? '';
  const serial = /(?:^|,)serial=([^,]+)/.exec(smbios)?.[1];
  if (serial === undefined) return undefined;
  const text = /(?:^|,)base64=1/.test(smbios) ? Buffer.from(serial, 'base64').toString('utf8') : serial;
  const at = text.lastIndexOf(':');
  return at < 1 ? undefined : { instance: text.slice(0, at), token: text.slice(at + 1) };
}

/** Where heartbeats go, as a packet is addressed. */
function addressOf(target: string): { port: number; peer: string } {
  const url = new URL(target);
  return {
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    peer: isIP(url.hostname) ? url.hostname : '',
  };
}

/** A guest that knows who it is says every second that it lives, and how busy it is. */
export function beatHearts(cluster: Cluster, url: () => string | undefined): void {
  const target = url();
  if (target === undefined) return;
  for (const machine of cluster.machines.all) {
    const identity = identityOf(machine);
    const alive =
      machine.qmp === 'running' && !['hang', 'drop'].includes(machine.trouble) && cluster.machines.isBooted(machine);
    if (!identity || !alive || cluster.isolated.has(machine.node)) continue;
    if (fateOf(cluster, machine, { way: 'out', ...addressOf(target) }) !== 'accept') continue;
    const { qps } = cluster.machines.loadOf(machine.vmid);
    const body = JSON.stringify({ ...identity, load: { qps, cpu: cluster.machines.cpuOf(machine) } });
    void fetch(target, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
      signal: AbortSignal.timeout(2000),
    })
      .then((response) => response.arrayBuffer())
      .catch(() => undefined);
  }
}
