import { check } from '../../access/permissions.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { agentEnabled, disksOf } from '../../cluster/drive.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { without } from '../../without.ts';
import { badParameter, failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { applyPending } from '../../cluster/pending.ts';
import { goOn, startGuest } from '../../cluster/start.ts';

const vmidOf = (call: Call): number => Number(call.args.need('vmid'));

/** A lock may be skipped by root in person only; a token is not root. */
export function refuseSkiplock(call: Call): void {
  forRootOnly(call, 'skiplock');
}

/** Options for root in person, when they say anything; the first in their order is the one that is refused. */
function forRootOnly(call: Call, ...names: string[]): void {
  if (call.who.id === 'root@pam') return;
  for (const name of names) {
    const value = call.args.text(name);
    if (value !== undefined && value !== '' && value !== '0')
      throw badParameter({ [name]: 'Only root may use this option.' });
  }
}

const internalOfStart = [
  ...['stateuri', 'skiplock', 'migratedfrom', 'migration_type', 'migration_network', 'targetstorage', 'force-cpu'],
  ...['with-conntrack-state', 'nets-host-mtu'],
];

/** Power off at once. A guest that is off already is fine. */
async function stopGuest(cluster: Cluster, node: string, vmid: number, worker: Worker): Promise<void> {
  if (!cluster.isRunning(node, vmid)) return;
  await cluster.locks.guest(node, vmid, 10_000, async () => {
    cluster.requireUnlocked(cluster.load(node, vmid));
    await worker.takes(cluster.timing.stopMs);
    cluster.halt(vmid);
    const guest = cluster.guestOn(node, vmid);
    if (guest) applyPending(cluster, guest);
  });
}

/** Asks the guest; waits; then gives up, or pulls the plug with `forceStop`. */
async function shutdownGuest(
  call: Call,
  vmid: number,
  worker: Worker,
  timeoutMs: number,
  force: boolean,
): Promise<void> {
  const { cluster, node } = call;
  if (!cluster.isRunning(node, vmid)) return;
  await cluster.locks.guest(node, vmid, 10_000, async () => {
    cluster.requireUnlocked(cluster.load(node, vmid));
    const machine = cluster.machines.get(vmid);
    if (!machine) return;
    if (agentEnabled(machine.options) && !answersAgent(call, vmid))
      worker.log(`QEMU Guest Agent is not running - VM ${vmid} qga command 'guest-ping' failed - got timeout`);
    const hurt = ['hang', 'lose-disk'].includes(machine.trouble) || machine.frozen;
    const deaf = hurt || machine.qmp !== 'running';
    const untilBootedMs = Math.max(0, machine.bootedAt - cluster.clock.now());
    const neededMs = deaf ? Number.POSITIVE_INFINITY : untilBootedMs + cluster.timing.shutdownMs;
    await worker.takes(Math.min(neededMs, timeoutMs));
    if (neededMs > timeoutMs) {
      if (!force) {
        worker.log('VM quit/powerdown failed');
        throw failed('VM quit/powerdown failed - got timeout');
      }
      worker.log('VM quit/powerdown failed - terminating now with SIGTERM');
      await worker.takes(10_000);
      worker.log('VM still running - terminating now with SIGKILL');
    }
    cluster.halt(vmid);
    applyPending(cluster, cluster.load(node, vmid));
  });
}

/** `down=` of the startup order, else a minute. */
function shutdownTimeout(call: Call, vmid: number): number {
  const asked = call.args.number('timeout');
  if (asked !== undefined) return asked * 1000;
  const startup = call.cluster.guestOn(call.node, vmid)?.config.current['startup'] ?? '';
  return Number(/down=(\d+)/.exec(startup)?.[1] ?? 60) * 1000;
}

const isPaused = (call: Call, vmid: number): boolean =>
  ['paused', 'prelaunch'].includes(call.cluster.machines.get(vmid)?.qmp ?? '') &&
  call.cluster.guestOn(call.node, vmid) !== undefined;

/** An HA resource is not started or stopped by the caller: the manager is asked to. */
function requestHa(call: Call, vmid: number, state: 'started' | 'stopped'): string {
  const word = state === 'started' ? 'start' : 'stop';
  return fork(call, `ha${word}`, String(vmid), async (worker) => {
    worker.log(`Requesting HA ${word} for VM ${vmid}`);
    await worker.takes(300);
    call.cluster.ha.request(`vm:${vmid}`, state);
  }).upid;
}

function requireRunning(call: Call, vmid: number): void {
  if (!call.cluster.isRunning(call.node, vmid)) throw failed(`VM ${vmid} not running`);
}

/** Saves the memory to a volume and ends QEMU. */
async function suspendToDisk(call: Call, vmid: number, storageId: string, worker: Worker): Promise<void> {
  const { cluster, node } = call;
  const guest = cluster.load(node, vmid);
  await cluster.locks.guest(node, vmid, 10_000, async () => {
    if (guest.config.current['lock'] === 'backup') throw failed('cannot suspend to disk during backup');
    cluster.requireUnlocked(guest);
    guest.config.current['lock'] = 'suspending';
    const bytes = Number(/(\d+)/.exec(guest.config.current['memory'] ?? '512')?.[1]) * 2 * 2 ** 20 + 500 * 2 ** 20;
    const storage = cluster.volumes.activeStorage(storageId, node);
    const name = cluster.volumes.nextName(
      storage,
      node,
      vmid,
      'raw',
      `state-suspend-${new Date(cluster.clock.now()).toISOString().slice(0, 10)}`,
    );
    try {
      cluster.volumes.allocate(storage, node, name, bytes);
      worker.log(`State logical volume '${storageId}:${name}' created`);
      await worker.takes((bytes / cluster.timing.copyBytesPerSecond) * 1000);
    } catch (error) {
      guest.config.current = without(guest.config.current, 'lock');
      throw error;
    }
    cluster.halt(vmid);
    guest.config.current['lock'] = 'suspended';
    guest.config.current['vmstate'] = `${storageId}:${name}`;
  });
}

const power = '/nodes/{node}/qemu/{vmid}/status';

export const powerHandlers: Readonly<Record<string, Handler>> = {
  [`POST ${power}/start`]: (call) => {
    const vmid = vmidOf(call);
    forRootOnly(call, ...internalOfStart);
    call.cluster.requireQuorum(call.node);
    if (call.cluster.isHaManaged(vmid)) return requestHa(call, vmid, 'started');
    return fork(call, 'qmstart', String(vmid), (worker) => startGuest(call.cluster, call.node, vmid, worker)).upid;
  },
  [`POST ${power}/stop`]: (call) => {
    const { cluster } = call;
    const vmid = vmidOf(call);
    forRootOnly(call, 'skiplock', 'keepActive', 'migratedfrom');
    if (cluster.isHaManaged(vmid)) {
      if (call.args.flag('overrule-shutdown'))
        throw badParameter({ 'overrule-shutdown': 'Not applicable for HA resources.' });
      return requestHa(call, vmid, 'stopped');
    }
    return fork(call, 'qmstop', String(vmid), async (worker) => {
      if (call.args.flag('overrule-shutdown')) {
        cluster.tasks.interrupt(call.node, (task) => task.of.type === 'qmshutdown' && task.of.id === String(vmid));
        await worker.takes(50);
      }
      await stopGuest(cluster, call.node, vmid, worker);
    }).upid;
  },
  [`POST ${power}/shutdown`]: (call) => {
    const vmid = vmidOf(call);
    forRootOnly(call, 'skiplock', 'keepActive');
    const force = call.args.flag('forceStop');
    const paused = isPaused(call, vmid);
    // A guest that stands still would hear of it only when it goes on.
    if (paused && !force) throw failed('VM is paused - cannot shutdown');
    if (call.cluster.isHaManaged(vmid)) return requestHa(call, vmid, 'stopped');
    const timeoutMs = shutdownTimeout(call, vmid);
    return fork(call, 'qmshutdown', String(vmid), (worker) =>
      paused ? stopGuest(call.cluster, call.node, vmid, worker) : shutdownGuest(call, vmid, worker, timeoutMs, force),
    ).upid;
  },
  [`POST ${power}/reboot`]: (call) => {
    const vmid = vmidOf(call);
    if (isPaused(call, vmid)) throw failed('VM is paused - cannot shutdown');
    requireRunning(call, vmid);
    return fork(call, 'qmreboot', String(vmid), async (worker) => {
      worker.log(`Requesting reboot of VM ${vmid}`);
      await shutdownGuest(call, vmid, worker, shutdownTimeout(call, vmid), false);
      await startGuest(call.cluster, call.node, vmid, worker);
    }).upid;
  },
  [`POST ${power}/reset`]: (call) => {
    const vmid = vmidOf(call);
    refuseSkiplock(call);
    requireRunning(call, vmid);
    return fork(call, 'qmreset', String(vmid), (worker) =>
      call.cluster.locks.guest(call.node, vmid, 10_000, async () => {
        const guest = call.cluster.load(call.node, vmid);
        call.cluster.requireUnlocked(guest);
        await worker.takes(100);
        const machine = call.cluster.machines.get(vmid);
        if (machine) call.cluster.machines.start(vmid, call.node, machine.options, call.cluster.timing.bootMs);
      }),
    ).upid;
  },
  [`POST ${power}/suspend`]: (call) => {
    const { cluster, node, who, args } = call;
    const vmid = vmidOf(call);
    refuseSkiplock(call);
    requireRunning(call, vmid);
    const toDisk = args.flag('todisk');
    if (!toDisk) {
      return fork(call, 'qmpause', String(vmid), (worker) =>
        cluster.locks.guest(node, vmid, 10_000, async () => {
          const guest = cluster.load(node, vmid);
          // A backup does not mind a guest that stands still.
          if (guest.config.current['lock'] !== 'backup') cluster.requireUnlocked(guest);
          await worker.takes(50);
          const machine = cluster.machines.get(vmid);
          if (!machine) throw failed(`VM ${vmid} not running`);
          machine.qmp = 'paused';
          cluster.machines.changed(vmid);
        }),
      ).upid;
    }
    if (cluster.isHaManaged(vmid)) throw failed('Cannot suspend HA managed VM to disk');
    check(cluster.world, who, `/vms/${vmid}`, ['VM.Config.Disk']);
    const { current } = cluster.load(node, vmid).config;
    const storageId =
      args.text('statestorage') ?? current['vmstatestorage'] ?? disksOf(current)[0]?.file.split(':')[0] ?? 'local';
    check(cluster.world, who, `/storage/${storageId}`, ['Datastore.AllocateSpace']);
    return fork(call, 'qmsuspend', String(vmid), (worker) => suspendToDisk(call, vmid, storageId, worker)).upid;
  },
  [`POST ${power}/resume`]: (call) => {
    const { cluster, node } = call;
    const vmid = vmidOf(call);
    refuseSkiplock(call);
    forRootOnly(call, 'nocheck');
    const suspended = cluster.guestOn(node, vmid)?.config.current['lock'] === 'suspended';
    if (!suspended) requireRunning(call, vmid);
    return fork(call, 'qmresume', String(vmid), async (worker) => {
      if (suspended) {
        await startGuest(cluster, node, vmid, worker);
        return;
      }
      await cluster.locks.guest(node, vmid, 10_000, async () => {
        const guest = cluster.load(node, vmid);
        if (guest.config.current['lock'] !== 'backup') cluster.requireUnlocked(guest);
        await worker.takes(50);
        const machine = cluster.machines.get(vmid);
        if (machine) goOn(cluster, machine);
      });
    }).upid;
  },
};

export const answersAgent = (call: Call, vmid: number): boolean => {
  const machine = call.cluster.machines.get(vmid);
  return (
    machine !== undefined &&
    agentEnabled(machine.options) &&
    machine.qmp === 'running' &&
    machine.trouble === 'none' &&
    call.cluster.machines.isBooted(machine) &&
    call.cluster.guestAgents
  );
};
