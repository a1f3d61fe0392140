import { signal } from '@preact/signals';
import { secondMs } from '../../domain/time.ts';
import type { HostedVmView } from '../../domain/view.ts';
import { read } from './client.ts';
import { onChange } from './live.ts';

/** Every hosted VM by id; undefined until the first answer. */
export const fleet = signal<ReadonlyMap<string, HostedVmView> | undefined>(undefined);

/** Why the newest attempt to read the fleet failed; what is shown is then old. */
export const fleetTrouble = signal<string | undefined>(undefined);

/** Changes within this time are read together: a thousand hosted VMs change several times a second. */
const gatherMs = secondMs / 4;
/** Above it one list is cheaper than single reads. */
const mostSingleReads = 8;

const changed = new Set<string>();
let wholeFleet = true;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Reads the fleet now and follows it from here on. */
export function followFleet(): void {
  onChange((change) => {
    if (change.type === 'hosted-vm' && change.id !== undefined) changed.add(change.id);
    else if (change.type === 'connected' || change.type === 'fleet') wholeFleet = true;
    else return;
    timer ??= setTimeout(() => void refresh(), gatherMs);
  });
  void refresh();
}

async function refresh(): Promise<void> {
  timer = undefined;
  const ids = [...changed];
  const everything = wholeFleet || fleet.value === undefined || ids.length > mostSingleReads;
  changed.clear();
  wholeFleet = false;
  try {
    if (everything) {
      const views = await read<HostedVmView[]>('/hosted-vms');
      fleet.value = new Map(views.map((view) => [view.id, view]));
    } else {
      const views = await Promise.all(ids.map((id) => read<HostedVmView>(`/hosted-vms/${encodeURIComponent(id)}`)));
      fleet.value = new Map([...(fleet.value ?? []), ...views.map((view) => [view.id, view] as const)]);
    }
    fleetTrouble.value = undefined;
  } catch (error) {
    fleetTrouble.value = error instanceof Error ? error.message : String(error);
    wholeFleet = true;
    timer ??= setTimeout(() => void refresh(), 5 * secondMs);
  }
}
