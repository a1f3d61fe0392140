import { check, has } from '../../access/permissions.ts';
import type { Worker } from '../../cluster/tasks.ts';
import type { WorldGuest } from '../../world/world.ts';
import { Arguments, fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { failed, notPermitted } from '../refusal.ts';
import { migrateHandlers } from './migrate.ts';
import { powerHandlers } from './power.ts';

/** What is done to each guest of a call. */
type Action = {
  readonly name: 'start' | 'shutdown' | 'suspend' | 'migrate';
  readonly privileges: readonly string[];
  readonly heading: string;
  readonly saying: string;
  /** The guests of the highest order come first. */
  readonly backwards: boolean;
  /** Why a guest is left out. */
  readonly skip: (call: Call, guest: WorldGuest) => string | undefined;
  /** The call for one guest. */
  readonly ask: (call: Call, guest: WorldGuest) => { handler: Handler; parameters: Record<string, string> };
};

const status = '/nodes/{node}/qemu/{vmid}/status';
const power = (verb: string): Handler => powerHandlers[`POST ${status}/${verb}`]!;
const machineOf = (call: Call, guest: WorldGuest) => call.cluster.machines.get(guest.vmid);
const notRunning = (call: Call, guest: WorldGuest): string | undefined =>
  machineOf(call, guest) ? undefined : `Skipping VM ${guest.vmid}, not running.`;

const start: Action = {
  name: 'start',
  privileges: ['VM.PowerMgmt'],
  heading: 'Starting',
  saying: 'Starting',
  backwards: false,
  skip: (call, guest) => {
    const qmp = machineOf(call, guest)?.qmp;
    return qmp === undefined || qmp === 'paused' ? undefined : `Skipping VM ${guest.vmid}, already running.`;
  },
  ask: (call, guest) => {
    if (machineOf(call, guest)) return { handler: power('resume'), parameters: {} };
    const timeout = call.args.text('timeout');
    return { handler: power('start'), parameters: timeout === undefined ? {} : { timeout } };
  },
};

/** Long enough for a guest that has to write its memory away first. */
const usualShutdownSeconds = 180;
const shutdown: Action = {
  name: 'shutdown',
  privileges: ['VM.PowerMgmt'],
  heading: 'Shutting down',
  saying: 'Shutting down',
  backwards: true,
  skip: (call, guest) =>
    notRunning(call, guest) ??
    (machineOf(call, guest)!.qmp === 'paused' && call.args.text('force-stop') === '0'
      ? `Skipping VM ${guest.vmid}, resume paused VM before shutdown.`
      : undefined),
  ask: (call, guest) => {
    const own = /down=(\d+)/.exec(guest.config.current['startup'] ?? '')?.[1];
    const timeout = own ?? call.args.text('timeout') ?? String(usualShutdownSeconds);
    return { handler: power('shutdown'), parameters: { forceStop: call.args.text('force-stop') ?? '1', timeout } };
  },
};

const suspend: Action = {
  name: 'suspend',
  privileges: ['VM.PowerMgmt'],
  heading: 'Suspending',
  saying: 'Suspending',
  backwards: true,
  skip: notRunning,
  ask: (call) => {
    const statestorage = call.args.text('statestorage');
    return {
      handler: power('suspend'),
      parameters: {
        todisk: call.args.text('to-disk') ?? '0',
        ...(call.args.flag('to-disk') && statestorage !== undefined ? { statestorage } : {}),
      },
    };
  },
};

const migrate: Action = {
  name: 'migrate',
  privileges: ['VM.Migrate'],
  heading: 'Migrating',
  saying: 'Migrating',
  backwards: false,
  skip: (call, guest) =>
    guest.node === call.args.need('target') ? `VM ${guest.vmid} already on ${guest.node}, skipping.` : undefined,
  ask: (call) => ({
    handler: migrateHandlers['POST /nodes/{node}/qemu/{vmid}/migrate']!,
    parameters: Object.fromEntries(
      ['target', 'online', 'with-local-disks']
        .filter((name) => call.args.has(name))
        .map((name) => [name, call.args.need(name)]),
    ),
  }),
};

function requireAllowed(call: Call, vmids: readonly number[], privileges: readonly string[]): void {
  const { cluster, who } = call;
  for (const vmid of vmids) check(cluster.world, who, `/vms/${vmid}`, privileges);
  if (vmids.length === 0 && !privileges.every((privilege) => has(cluster.world, who, '/', privilege)))
    throw notPermitted(`/, ${privileges.join(', ')}`);
}

const orderOf = (guest: WorldGuest): number =>
  Number(/(?:order=|^)(\d+)/.exec(guest.config.current['startup'] ?? '')?.[1] ?? Number.MAX_SAFE_INTEGER);

/** One guest after the other; real workers do a few at once. Resolves to those that failed. */
async function forEach(call: Call, action: Action, guests: readonly WorldGuest[], worker: Worker): Promise<number[]> {
  const unlucky: number[] = [];
  for (const guest of guests) {
    const reason = action.skip(call, guest);
    if (reason !== undefined) {
      worker.warn(reason);
      continue;
    }
    const { handler, parameters } = action.ask(call, guest);
    worker.log(
      `${action.saying} VM ${guest.vmid}${parameters['forceStop'] === undefined ? '' : ` (Timeout = ${parameters['timeout'] ?? ''} seconds)`}`,
    );
    const args = new Arguments({ node: guest.node, vmid: String(guest.vmid), ...parameters });
    const refusal = await troubleOf({ ...call, node: guest.node, args }, handler, `${action.saying} VM ${guest.vmid}`);
    await worker.takes(0);
    if (refusal === undefined) continue;
    unlucky.push(guest.vmid);
    worker.warn(refusal);
  }
  return unlucky;
}

/** Carries out the call for one guest on its node and waits for its task; resolves to what went wrong. */
async function troubleOf(one: Call, handler: Handler, doing: string): Promise<string | undefined> {
  const { cluster, node } = one;
  if (!cluster.isUp(node)) return '595 No route to host';
  try {
    const task = cluster.tasks.find(String(await handler(one)));
    await task?.ended;
    const exit = task?.exit ?? '';
    return exit === 'OK' || exit.startsWith('WARNINGS') ? undefined : `${doing} failed: ${exit}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const forAll =
  (action: Action): Handler =>
  (call) => {
    const { cluster, args } = call;
    const vmids = args.has('vms') ? args.list('vms').map(Number) : [];
    requireAllowed(call, vmids, action.privileges);
    if (args.flag('to-disk')) {
      requireAllowed(call, vmids, ['VM.Config.Disk']);
      const storage = args.text('statestorage');
      if (storage !== undefined) check(cluster.world, call.who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
    }
    return fork(call, `bulk-${action.name}`, '', async (worker) => {
      const target = args.text('target');
      const whither = target === undefined ? '' : ` to ${target}`;
      worker.log(
        vmids.length > 0
          ? `${action.heading} guests${whither}: ${vmids.join(', ')}`
          : `${action.heading} all guests${whither}`,
      );
      const guests = [...cluster.world.guests.values()]
        .filter(({ vmid }) => vmids.length === 0 || vmids.includes(vmid))
        .filter(({ config }) => action.name === 'migrate' || config.current['template'] !== '1')
        .sort((a, b) => (action.backwards ? -1 : 1) * (orderOf(a) - orderOf(b)) || a.vmid - b.vmid);
      const unlucky = await forEach(call, action, guests, worker);
      const colon = action.name === 'start' ? ':' : '';
      if (unlucky.length > 0) throw failed(`Some guests failed to ${action.name}${colon} ${unlucky.join(', ')}`);
    }).upid;
  };

const guest = '/cluster/bulk-action/guest';

export const bulkActionHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${guest}`]: () => ['start', 'shutdown', 'migrate', 'suspend'].map((name) => ({ name })),
  [`POST ${guest}/start`]: forAll(start),
  [`POST ${guest}/shutdown`]: forAll(shutdown),
  [`POST ${guest}/suspend`]: forAll(suspend),
  [`POST ${guest}/migrate`]: forAll(migrate),
};
