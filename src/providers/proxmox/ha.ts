import { isFailure, ProxmoxError } from './errors.ts';
import type { Work } from './site.ts';

/*
 * Proxmox's own HA manager may be in charge of a guest. Then start and stop are requests to it, its word counts, and
 * during its own work (fence, recovery, migrate) we keep our hands off.
 */

/** States in which the HA manager is at work on a guest, or has given up on it and waits for a human. */
const handsOff = ['fence', 'recovery', 'migrate', 'relocate', 'freeze', 'error'];

export type HaView = {
  /** `started`, `ignored`...; undefined when the HA manager does not know the guest. */
  readonly state: string | undefined;
  /** Disarmed with its resources frozen: requests are kept and not carried out. */
  readonly frozen: boolean;
};

export async function observeHa(work: Work, vmid: number): Promise<HaView> {
  const rows = await work.calls.haStatus();
  const service = rows.find((row) => row.type === 'service' && row.sid === `vm:${vmid}`);
  const fencing = rows.find((row) => row.type === 'fencing');
  const disarmed = fencing?.['armed-state'] === 'disarmed' || fencing?.['armed-state'] === 'disarming';
  return {
    state: service?.state ?? service?.request_state,
    frozen: disarmed && fencing.resource_mode !== 'ignore',
  };
}

/** Managed by HA and followed by it: `ignored` guests are ours again. */
export function isManaged(state: string | undefined): state is string {
  return state !== undefined && state !== '' && state !== 'ignored';
}

/** @throws ProxmoxError locked when the HA manager must be left alone now */
export async function requireHaCalm(work: Work, vmid: number, state: string): Promise<void> {
  const ha = await observeHa(work, vmid);
  const why = ha.frozen
    ? 'HA is disarmed and its guests are frozen'
    : handsOff.includes(ha.state ?? state)
      ? `HA has it in state ${ha.state ?? state}`
      : undefined;
  if (why === undefined) return;
  throw new ProxmoxError({
    operation: 'change power',
    target: `VM ${vmid}`,
    failureClass: 'locked',
    message: `${why}; Umbra does not work against ha-manager`,
  });
}

/**
 * Takes a guest out of the HA manager's hands, so that it is not started again behind our back.
 * @returns what stands in the way when the token may not (Sys.Console on /): then stopping is a request to HA
 */
export async function ensureHaIgnored(work: Work, vmid: number): Promise<string | undefined> {
  for (let n = 0; n < 3; n += 1) {
    try {
      await work.calls.setHaState(vmid, 'ignored');
      return undefined;
    } catch (error) {
      if (isFailure(error, 'permission')) {
        const mend = await work.mendOf({ privilege: 'Sys.Console', path: '/' });
        const how = mend === undefined ? '' : `; grant it with: ${mend}`;
        return `the token may not change HA resources (Sys.Console on /)${how}`;
      }
      if (isFailure(error, 'not-found', 'already-done')) return undefined;
      if (!isFailure(error, 'ambiguous', 'transient', 'locked')) throw error;
      await work.waiting.pause(work.timing.lookMs);
    }
  }
  return 'HA did not take the state "ignored"';
}

/**
 * The proof, in words, that a dead node's guest cannot run any more: the HA manager recovers a guest elsewhere only after the
 * failed node's watchdog has fired and its lock has expired. A node that is merely silent proves nothing.
 */
export async function haFenceProof(work: Work, vmid: number, node: string): Promise<string | undefined> {
  const status = await readManagerStatus(work);
  const service = status?.service_status?.[`vm:${vmid}`];
  if (service?.state === undefined) return undefined;
  if (service.state === 'recovery') {
    return `ha-manager has fenced ${node} and recovers vm:${vmid}`;
  }
  if (service.node !== undefined && service.node !== node && service.state === 'started') {
    return `ha-manager has fenced ${node} and runs vm:${vmid} on ${service.node}`;
  }
  return undefined;
}

async function readManagerStatus(work: Work) {
  try {
    return (await work.calls.managerStatus()).manager_status;
  } catch (error) {
    if (isFailure(error, 'permission', 'not-found')) return undefined;
    throw error;
  }
}
