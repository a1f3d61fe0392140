import { proxmoxHypervisor } from '../../src/providers/proxmox/hypervisor.ts';
import { grantsFor } from '../../src/providers/proxmox/privileges.ts';
import type { Hypervisor } from '../../src/ports/hypervisor.ts';
import { demoWorld, startSimulator } from '../../src/sim/simulator.ts';

/** What happens to the primaries, to all of them in one moment. */
export type Fault = 'vm-crash' | 'node-off';
export const faults: readonly Fault[] = ['vm-crash', 'node-off'];

/** Primaries are here; leases of the bench put shadows on pve2. */
const primariesOn = 'pve3';
const network = '127.30.0.';

export const addressIn = (index: number): string => `${network}${101 + index}`;

export type BenchCluster = {
  readonly hypervisor: Hypervisor;
  readonly strike: (fault: Fault) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** A simulated Proxmox with the times of a real one, its guests listening, and our provider on it. */
export async function startCluster(ids: readonly string[], guestPort: number): Promise<BenchCluster> {
  const { world, token } = demoWorld({ grants: grantsFor, names: ids, network, memoryMiB: 512, cores: 1 });
  for (const guest of world.guests.values()) if (guest.vmid !== 9000) guest.node = primariesOn;
  const sim = await startSimulator({
    ...{ world, host: '127.0.0.1', port: 0, tls: true, guestPort },
    // Corosync's defaults for three nodes: the token is missed after 3.65 s, and then a membership has to be agreed on.
    timing: { membershipMs: 5_000 },
  });
  const quiet = (): void => undefined;
  const hypervisor = proxmoxHypervisor({
    cluster: {
      name: 'main',
      endpoints: sim.endpoints.map(({ url }) => url),
      fingerprint: sim.fingerprint!,
      vmids: { from: 9001, to: 9200 },
      pool: 'umbra',
    },
    token: () => Promise.resolve(`${token.id}=${token.secret}`),
    log: { debug: quiet, info: quiet, warn: quiet },
  });
  return {
    hypervisor,
    strike: async (fault) => {
      if (fault === 'node-off') await sim.fault(`node ${primariesOn} off`);
      else await Promise.all(ids.map((_, index) => sim.fault(`vm ${101 + index} crash`)));
    },
    close: async () => {
      await hypervisor.close();
      await sim.close();
    },
  };
}
