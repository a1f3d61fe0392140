import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { grantsFor } from '../providers/proxmox/privileges.ts';
import { demoWorld } from '../sim/simulator.ts';
import { loadWorld } from '../sim/world/directory.ts';
import type { World } from '../sim/world/world.ts';
import type { DemoVm } from './fleet.ts';

/** A new simulated cluster whose token has the rights that Umbra asks for, and no others. */
export function grantedWorld(options: Omit<Parameters<typeof demoWorld>[0], 'grants'>): World {
  return demoWorld({ grants: grantsFor, ...options }).world;
}

/**
 * The cluster of the demonstration: a saved one, or a new one with the fleet's primaries. Each primary finds its name and
 * token in its serial number, as an operator would have set them for heartbeats (docs/guest.md).
 */
export async function worldFor(
  folder: string,
  fleet: readonly DemoVm[],
  serialOf: (instance: string) => string,
): Promise<World> {
  if (existsSync(join(folder, 'nodes'))) return await loadWorld(folder);
  const world = grantedWorld({ names: fleet.map(({ id }) => id), tokenSecret: randomUUID() });
  for (const vm of fleet) {
    const guest = world.guests.get(vm.vmid);
    if (guest === undefined) continue;
    guest.node = vm.node;
    const serial = Buffer.from(serialOf(`${vm.id}/0`)).toString('base64');
    guest.config.current['smbios1'] = `uuid=${randomUUID()},base64=1,serial=${serial}`;
  }
  return world;
}
