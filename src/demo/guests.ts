import { startLoop } from '../background/loop.ts';
import type { Registry } from '../ports/registry.ts';
import type { DemoVm } from './fleet.ts';

/** Which guest answers at an address, and how much it can carry. */
export type GuestAt = { readonly vmid: number; readonly capacityQps: number };

const lookMs = 2_000;

/** Follows which guest has which address, so that load goes where DNS sends it. Primaries are known from the start. */
export function followGuests(
  registry: Pick<Registry, 'views'>,
  fleet: readonly DemoVm[],
): { at(address: string): GuestAt | undefined; stop(): Promise<void> } {
  const guests = new Map<string, GuestAt>(
    fleet.map(({ address, vmid, capacityQps }) => [address, { vmid, capacityQps }]),
  );
  const look = async (): Promise<void> => {
    for (const { instances } of await registry.views()) {
      for (const { address, vmid, capacityQps } of instances) {
        if (address !== undefined && vmid !== undefined) guests.set(address, { vmid, capacityQps });
      }
    }
  };
  // The store may be away for a minute: load then goes where it went.
  const loop = startLoop({ everyMs: lookMs, round: look, failed: () => undefined });
  return { at: (address) => guests.get(address), stop: () => loop.stop() };
}
