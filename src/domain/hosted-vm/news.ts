import type { HostedVmState } from '../hosted-vm.ts';
import type { Instance } from '../instance.ts';
import { isLost, lostCode } from '../instance.ts';
import type { InstanceNews } from '../instance-messages.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { withEvent } from './chronicle.ts';
import { withoutReportsOf } from './evidence.ts';
import { nameOf, withInstance } from './instances.ts';
import { withLossNoted } from './losing.ts';
import { withProvisionFailure } from './standby.ts';

/**
 * An instance's workflow tells how its guest stands. Where it is and what its address is: always believed.
 * Its state is believed while it is made or kept warm and when it ends; who serves and who is fenced is decided here.
 */
export function withInstanceNews(state: HostedVmState, news: InstanceNews, now: EpochMs): HostedVmState {
  const known = state.instances.find(({ id }) => id === news.instance.id);
  if (known === undefined) return state;
  const told = news.instance;
  const merged: Instance = {
    ...known,
    ...pick(told),
    // Adoption decides whose the original is.
    owned: known.n === 0 ? known.owned : told.owned,
    state: believed(state, known, told) ? told.state : known.state,
  };
  let next = withInstance(state, merged);
  if (merged.state.kind !== known.state.kind) next = withChangeNoted(next, known, merged, now);
  return next;
}

function believed(state: HostedVmState, known: Instance, told: Instance): boolean {
  if (told.state.kind === 'deleted') return true;
  if (state.serving.includes(known.id)) return false;
  // Word of the time before it was lost is of yesterday.
  if (isLost(known) && (told.state.since <= known.state.since || isLost(told))) return false;
  const ours = isLost(known) || known.state.kind === 'provisioning' || known.state.kind === 'warm';
  return ours && (told.state.kind === 'provisioning' || told.state.kind === 'warm' || told.state.kind === 'failed');
}

function withChangeNoted(state: HostedVmState, before: Instance, after: Instance, now: EpochMs): HostedVmState {
  const name = nameOf(after);
  const facts = {
    instance: after.id,
    vmid: after.vmid ?? null,
    node: after.node ?? null,
    address: after.address ?? null,
  };
  switch (after.state.kind) {
    case 'warm': {
      const reason: Reason = {
        code: 'warm',
        text: `${name} answers its health check and is kept ${after.state.warmth}`,
      };
      const took = before.state.kind === 'provisioning' ? now - before.state.since : null;
      const ready = { ...state, provisionFailuresAt: [], lookAgainAt: 0 };
      return withEvent(ready, now, 'shadow-warm', 'workflow', reason, { ...facts, tookMs: took });
    }
    case 'failed': {
      if (after.state.why.code === lostCode) return withLossNoted(state, after, after.state.why.text, now);
      const reason: Reason = {
        code: after.state.why.code,
        text: `${name} could not be made ready: ${after.state.why.text}`,
      };
      return withEvent(withProvisionFailure(state, now), now, 'shadow-failed', 'workflow', reason, facts);
    }
    case 'deleted': {
      const reason: Reason = { code: 'deleted', text: `${name} is gone from Proxmox, its lease is free` };
      const next = withEvent(state, now, 'instance-deleted', 'workflow', reason, facts);
      return withoutReportsOf(
        {
          ...next,
          instances: next.instances.filter(({ id }) => id !== after.id),
          told: Object.fromEntries(Object.entries(next.told).filter(([id]) => id !== after.id)),
        },
        after.id,
      );
    }
    case 'provisioning':
    case 'serving':
    case 'fenced':
    case 'retired':
      return state;
  }
}

function pick({ node, vmid, address, address6 }: Instance): Partial<Instance> {
  return {
    ...(node === undefined ? {} : { node }),
    ...(vmid === undefined ? {} : { vmid }),
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
  };
}
