import { proxmoxHypervisor } from '../../../src/providers/proxmox/hypervisor.ts';
import type { ProxmoxOptions } from '../../../src/providers/proxmox/hypervisor.ts';
import type { Hypervisor, Marker, ShadowSpec } from '../../../src/ports/hypervisor.ts';
import type { Simulator, SimulatorOptions } from '../../../src/sim/simulator.ts';
import { startSimulator } from '../../../src/sim/simulator.ts';
import type { Release, World } from '../../../src/sim/world/world.ts';
import { documentedWorld } from '../../support/documented-world.ts';

/** A simulated cluster whose tasks take no time to speak of, and our provider on it. */
export type Lab = {
  readonly sim: Simulator;
  readonly hypervisor: Hypervisor & { close(): Promise<void> };
  readonly logged: string[];
  readonly close: () => Promise<void>;
};

export const vmids = { from: 9001, to: 9100 };

/** The provider's waits, short. As in the world, a fence is tried for longer than a daemon stands still. */
export const labTiming: NonNullable<ProxmoxOptions['timing']> = {
  settleMs: 900,
  lookMs: 60,
  lockedMs: 20_000,
  powerMs: 5_000,
  haMs: 5_000,
  shutdownSeconds: 2,
  fenceMs: 5_000,
  firewallMs: 500,
};

export type LabOptions = {
  readonly sim?: Partial<SimulatorOptions>;
  readonly provider?: Partial<ProxmoxOptions>;
  readonly change?: (world: World) => void;
  readonly endpoints?: (sim: Simulator) => readonly string[];
  readonly names?: readonly string[];
  /** HA manages a primary: then the manual grants one right more. */
  readonly usesHa?: boolean;
  readonly release?: Release;
  readonly fenceFirewall?: true;
  /** Of the cluster; `lab` unless told. */
  readonly name?: string;
};

export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const { world, token } = documentedWorld({
    usesHa: options.usesHa ?? false,
    ...(options.release === undefined ? {} : { release: options.release }),
    ...(options.names === undefined ? {} : { names: options.names }),
  });
  options.change?.(world);
  const sim = await startSimulator({
    world,
    host: '127.0.0.1',
    port: 0,
    tls: false,
    guests: false,
    ...options.sim,
    timing: {
      authDelayMs: 50,
      proxyTimeoutMs: 400,
      unreachableMs: 50,
      firstUnreachableMs: 200,
      statusPeriodMs: 300,
      bootMs: 50,
      shutdownMs: 80,
      startMs: 40,
      stopMs: 20,
      allocateFileMs: 20,
      allocateBlockMs: 20,
      configMs: 5,
      copyBytesPerSecond: 64 * 2 ** 30,
      ...options.sim?.timing,
    },
  });
  const logged: string[] = [];
  const note = (_facts: object, text: string): void => void logged.push(text);
  const hypervisor = proxmoxHypervisor({
    cluster: {
      name: options.name ?? 'lab',
      endpoints: options.endpoints?.(sim) ?? [sim.url],
      vmids,
      pool: 'umbra',
      ...(options.fenceFirewall === undefined ? {} : { fenceFirewall: options.fenceFirewall }),
      ...(sim.fingerprint === undefined ? {} : { fingerprint: sim.fingerprint }),
    },
    token: () => Promise.resolve(`${token.id}=${token.secret}`),
    log: { debug: () => undefined, info: note, warn: note },
    deadlines: { connectMs: 500, readMs: 2_000, writeMs: 1_500, bodyMs: 500 },
    timing: labTiming,
    ...options.provider,
  });
  return {
    sim,
    hypervisor,
    logged,
    close: async () => {
      await hypervisor.close();
      await sim.close();
    },
  };
}

export function ref(vmid: number) {
  return { cluster: 'lab', vmid };
}

export function marker(n: number, role: Marker['role'] = 'shadow', hostedVmId = 'shop'): Marker {
  return {
    ...{ hostedVmId, n, role, operation: `op-${hostedVmId}-${n}` },
    ...(role === 'retired' ? { retiredAt: 1_700_000_000_000 } : {}),
  };
}

export function shadow(n: number, change: Partial<ShadowSpec> = {}): ShadowSpec {
  return {
    ref: ref(9000 + n),
    marker: marker(n),
    name: `shop-shadow-${n}`,
    source: ref(9000),
    node: 'pve2',
    full: false,
    tier: 2,
    cores: 4,
    memoryMiB: 4_096,
    address: `10.0.0.${10 + n}/24,gw=10.0.0.1`,
    heartbeatSerial: `shop/${n}:0123456789abcdef`,
    ...change,
  };
}

/** Tasks of a type that the cluster has ever begun. */
export async function tasksOf(lab: Lab, type: string, vmid?: number): Promise<number> {
  const { token } = { token: lab.sim.tokens[0]! };
  let count = 0;
  for (const node of ['pve1', 'pve2', 'pve3']) {
    const answer = await fetch(
      `${lab.sim.url}/api2/json/nodes/${node}/tasks?source=all&limit=500${vmid === undefined ? '' : `&vmid=${vmid}`}`,
      { headers: { authorization: `PVEAPIToken=${token.id}=${token.secret}` } },
    );
    if (!answer.ok) continue;
    const { data } = (await answer.json()) as { data: { type: string }[] };
    count += data.filter((task) => task.type === type).length;
  }
  return count;
}
