import type { AdoptedLease, LeaseGrant, LeaseNews, LeaseRequest } from '../cluster-messages.ts';
import type { Reason } from '../reason.ts';
import { minuteMs } from '../time.ts';
import type { EpochMs } from '../time.ts';
import { ipv4Number, ipv4Text, nextFree, rangeSize } from './address-range.ts';
import { overBudget } from './budget.ts';
import { rooms, unseenRoom } from './headroom.ts';
import type { Lease, Quarantined } from './lease.ts';
import { claimOf, provisionalLease } from './lease.ts';
import type { ClusterState, ClusterStep, Outgoing, Placement } from './state.ts';

/** From the grant to the news that the guest exists; a clone that waits its turn keeps its lease. */
const confirmWithinMs = 30 * minuteMs;
const refusalsKept = 200;

/** A request: answered again when it was answered before, refused when the budget says no, else it waits for a place. */
export function leaseRequested(now: EpochMs, state: ClusterState, request: LeaseRequest): ClusterStep {
  const refused = state.refusals.find((one) => one.requestId === request.requestId);
  if (refused !== undefined) return { state, outgoing: [refusal(request, refused.reason)] };
  const held = state.leases.find((one) => one.instance === request.instance);
  if (held !== undefined) return resized(now, state, held, request);
  if (state.waiting.some((one) => one.requestId === request.requestId)) return { state, outgoing: [] };
  const over = overBudget(
    now,
    state.spec,
    [...state.leases, ...state.waiting.map((one) => provisionalLease(one)), provisionalLease(request)],
    state.memoryTime,
  );
  if (over !== undefined) return refuse(state, request, over);
  const others = state.waiting.filter((one) => one.instance !== request.instance);
  return { state: { ...state, waiting: [...others, { ...request, since: now }] }, outgoing: [] };
}

/** An instance that has its numbers asks again: the same grant, or another warmth and size where it is. */
function resized(now: EpochMs, state: ClusterState, held: Lease, request: LeaseRequest): ClusterStep {
  if (held.requestId === request.requestId) return { state, outgoing: [grant(state, held)] };
  const { warmth, cores, memoryMiB, tier, requestId, replyTo } = request;
  const wanted: Lease = { ...held, warmth, cores, memoryMiB, tier, requestId, replyTo };
  const leases = state.leases.map((one) => (one === held ? wanted : one));
  const more = claimOf(wanted).memoryMiB - claimOf(held).memoryMiB;
  if (more > 0) {
    const over = overBudget(now, state.spec, leases, state.memoryTime) ?? overfull(state, held.node, more);
    if (over !== undefined) return refuse(state, request, over);
  }
  return { state: { ...state, leases }, outgoing: [grant(state, wanted)] };
}

function overfull(state: ClusterState, node: string, moreMiB: number): Reason | undefined {
  const room =
    state.snapshot === null ? undefined : rooms(state.snapshot, state.leases).find((one) => one.node === node);
  if (room === undefined) return undefined;
  const { freeMiB, hidden } = room;
  if (freeMiB === null) return unseenRoom([{ node, why: hidden ?? `${node} has told no numbers` }]);
  if (freeMiB >= moreMiB) return undefined;
  return {
    code: 'headroom-node',
    text: `${node} has ${Math.max(0, freeMiB)} MiB free, ${moreMiB} MiB more are needed.`,
    facts: { node, freeMiB: Math.max(0, freeMiB), needMiB: moreMiB },
  };
}

/** Places found outside become leases, one after the other, each with the next free VMID and address. */
export function placed(now: EpochMs, before: ClusterState, placements: readonly Placement[]): ClusterStep {
  let state = before;
  const outgoing: Outgoing[] = [];
  for (const placement of placements) {
    const request = state.waiting.find((one) => one.requestId === placement.requestId);
    if (request === undefined) continue;
    state = { ...state, waiting: state.waiting.filter((one) => one !== request) };
    const step =
      placement.kind === 'refused' ? refuse(state, request, placement.reason) : granted(now, state, request, placement);
    state = step.state;
    outgoing.push(...step.outgoing);
  }
  return { state, outgoing };
}

function granted(
  now: EpochMs,
  state: ClusterState,
  request: LeaseRequest,
  place: Extract<Placement, { kind: 'placed' }>,
): ClusterStep {
  const numbers = freeNumbers(state);
  if (!('vmid' in numbers)) return refuse(state, request, numbers);
  const over = overBudget(now, state.spec, [...state.leases, provisionalLease(request)], state.memoryTime);
  if (over !== undefined) return refuse(state, request, over);
  const { vmid, address } = numbers;
  const lease: Lease = {
    ...provisionalLease(request),
    vmid,
    address,
    node: place.node,
    full: place.full,
    ...(place.storage === undefined ? {} : { storage: place.storage }),
    ...(place.source === undefined ? {} : { source: place.source }),
    ...(place.relaxed === undefined ? {} : { relaxed: place.relaxed }),
    grantedAt: now,
    expiresAt: now + confirmWithinMs,
  };
  return {
    state: { ...state, leases: [...state.leases, lease], lastVmid: vmid, lastAddress: address },
    outgoing: [grant(state, lease)],
  };
}

function grant({ spec }: ClusterState, lease: Lease): Outgoing {
  const { prefix, gateway } = spec.addresses;
  const payload: LeaseGrant = {
    requestId: lease.requestId,
    vmid: lease.vmid,
    address: lease.address,
    ipconfig: `${lease.address}/${prefix}${gateway === undefined ? '' : `,gw=${gateway}`}`,
    node: lease.node,
    full: lease.full,
    ...(lease.storage === undefined ? {} : { storage: lease.storage }),
    ...(lease.source === undefined ? {} : { source: lease.source }),
    ...(lease.relaxed === undefined ? {} : { relaxed: lease.relaxed }),
    expiresAt: lease.expiresAt ?? lease.grantedAt + confirmWithinMs,
  };
  return { to: lease.replyTo, signal: 'leaseGranted', payload };
}

/** A VMID and an address nobody has, nobody had a moment ago, and nobody was seen with. */
function freeNumbers(state: ClusterState): { vmid: number; address: string } | Reason {
  const { spec, leases, quarantine, snapshot } = state;
  const vmids = new Set([...leases, ...quarantine].map((one) => one.vmid).concat(snapshot?.strayVmids ?? []));
  const addresses = new Set(
    [...leases, ...quarantine].map((one) => one.address).concat(snapshot?.strayAddresses ?? []),
  );
  const vmid = nextFree(spec.vmids, state.lastVmid ?? undefined, (one) => !vmids.has(one));
  const from = ipv4Number(spec.addresses.from) ?? 0;
  const range = { from, to: from + rangeSize(spec.addresses) - 1 };
  const last = state.lastAddress === null ? undefined : ipv4Number(state.lastAddress);
  const gateway = spec.addresses.gateway;
  const address = nextFree(range, last, (one) => !addresses.has(ipv4Text(one)) && ipv4Text(one) !== gateway);
  if (vmid === undefined) {
    return exhausted('vmids', `VMIDs ${spec.vmids.from}-${spec.vmids.to}`, spec.vmids.to - spec.vmids.from + 1, state);
  }
  if (address === undefined) {
    return exhausted(
      'addresses',
      `addresses ${spec.addresses.from}-${spec.addresses.to}`,
      rangeSize(spec.addresses),
      state,
    );
  }
  return { vmid, address: ipv4Text(address) };
}

function exhausted(what: string, range: string, size: number, state: ClusterState): Reason {
  const { leases, quarantine, snapshot } = state;
  const stray = (what === 'vmids' ? snapshot?.strayVmids : snapshot?.strayAddresses)?.length ?? 0;
  return {
    code: `no-free-${what}`,
    text:
      `All ${size} ${range} are taken: ${leases.length} leased, ${quarantine.length} resting after use, ` +
      `${stray} in use by others.`,
    facts: { size, leased: leases.length, quarantined: quarantine.length, stray },
  };
}

/** The guest exists. A confirmation that comes after the lease has expired brings it back while its numbers rest. */
export function leaseConfirmed(state: ClusterState, news: LeaseNews): ClusterState {
  const lease = state.leases.find((one) => one.instance === news.instance && one.vmid === news.vmid);
  if (lease !== undefined) {
    const confirmed: Lease = { ...lease, expiresAt: null };
    return { ...state, leases: state.leases.map((one) => (one === lease ? confirmed : one)) };
  }
  const resting = state.quarantine.find((one) => one.vmid === news.vmid && one.expired?.instance === news.instance);
  if (resting?.expired === undefined) return state;
  return {
    ...state,
    leases: [...state.leases, { ...resting.expired, expiresAt: null }],
    quarantine: state.quarantine.filter((one) => one !== resting),
  };
}

/** The guest is gone, or was never made. Its numbers rest before anybody else gets them. */
export function leaseReleased(now: EpochMs, state: ClusterState, news: LeaseNews): ClusterState {
  const lease = state.leases.find((one) => one.instance === news.instance && one.vmid === news.vmid);
  const waiting = state.waiting.filter((one) => one.instance !== news.instance);
  if (lease === undefined) return { ...state, waiting };
  return {
    ...state,
    waiting,
    leases: state.leases.filter((one) => one !== lease),
    quarantine: [...state.quarantine, resting(lease, now + state.spec.quarantineMs)],
  };
}

/** A guest that carries our marker and that no lease covers: after the loss of this state, or of a confirmation. */
export function leaseAdopted(now: EpochMs, state: ClusterState, found: AdoptedLease): ClusterState {
  const taken = state.leases.some(
    (one) => one.vmid === found.vmid || one.address === found.address || one.instance === found.instance,
  );
  if (taken) return state;
  const { instance, hostedVmId, vmid, address, node, role, warmth, cores, memoryMiB } = found;
  const lease: Lease = {
    ...{ instance, hostedVmId, vmid, address, node, role, warmth, cores, memoryMiB },
    requestId: `adopted/${instance}`,
    replyTo: `shadow-vm/${instance}`,
    tier: 1,
    full: true,
    grantedAt: now,
    expiresAt: null,
  };
  return {
    ...state,
    leases: [...state.leases, lease],
    quarantine: state.quarantine.filter((one) => one.vmid !== vmid),
  };
}

/** Ends leases nobody confirmed, and rests that are over. An instance that waits for its clone keeps its lease. */
export function leasesAfter(now: EpochMs, state: ClusterState): ClusterState {
  const cloning = new Set([...state.clones.waiting, ...state.clones.running].map((one) => one.instance));
  const ended = state.leases.filter(
    (one) => one.expiresAt !== null && one.expiresAt <= now && !cloning.has(one.instance),
  );
  const quarantine = state.quarantine.filter((one) => one.until > now);
  if (ended.length === 0 && quarantine.length === state.quarantine.length) return state;
  return {
    ...state,
    leases: state.leases.filter((one) => !ended.includes(one)),
    quarantine: [
      ...quarantine,
      ...ended.map((lease) => ({ ...resting(lease, now + state.spec.quarantineMs), expired: lease })),
    ],
  };
}

function resting(lease: Lease, until: EpochMs): Quarantined {
  return { instance: lease.instance, vmid: lease.vmid, address: lease.address, until };
}

export function refuse(state: ClusterState, request: LeaseRequest, reason: Reason): ClusterStep {
  const refusals = [...state.refusals, { requestId: request.requestId, reason }].slice(-refusalsKept);
  return { state: { ...state, refusals }, outgoing: [refusal(request, reason)] };
}

function refusal(request: LeaseRequest, reason: Reason): Outgoing {
  return { to: request.replyTo, signal: 'leaseRefused', payload: { requestId: request.requestId, reason } };
}
