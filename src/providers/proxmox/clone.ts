import type { GuestView, ShadowSpec } from '../../ports/hypervisor.ts';
import type { CloneParameters } from './calls.ts';
import { requireIdentical } from './drift.ts';
import { isFailure, ProxmoxError } from './errors.ts';
import type { GuestConfig } from './guest-config.ts';
import { sizeGiB, properties } from './guest-config.ts';
import { isHidden, live, observed, reached } from './guest.ts';
import type { Found, LiveGuest } from './guest.ts';
import { configuredAs, shadowConfig } from './identity.ts';
import { describedAs, isUnconfigured, sameInstance, taggedAs } from './marker.ts';
import { requireOn } from './members.ts';
import { isGranted } from './rights.ts';
import { mayStillCome } from './site.ts';
import type { Work } from './site.ts';
import { ensureTags } from './tags.ts';
import { finished } from './tasks.ts';
import { ensureConfig, Patience, remaining } from './writing.ts';

/*
 * The protocol: look; adopt what is ours; clone into the one VMID that was leased for us; follow the task; look again.
 * After an ambiguous answer nothing is assumed: we look until the call can no longer be carried out, then send it again
 * with the same VMID. A clone that is carried out late can only become our guest under our VMID.
 *
 * Nothing half-made starts or is reached. The marker says `configured=no` from the clone itself to the last write; until
 * then nobody here starts it, and from the first write on it does not start with its node and its links are down.
 */

/** How often a VMID may be refused as taken while nobody is seen to have it, before we believe that it is taken. */
const unseenRefusals = 3;
/** A lock `clone` without a running clone on its source's node: seen so often, it is a dead node's left-over. */
const looksAtStaleLock = 4;

/**
 * @throws ProxmoxError exists when somebody else has the VMID, offline when the node of the clone or of its source is
 *   off, permanent when the clone differs from its source in what nobody asked for
 */
export async function ensureShadow(work: Work, spec: ShadowSpec): Promise<GuestView> {
  await ensureCloned(work, spec);
  const fresh = isFresh(await live(work, spec.ref));
  // One that is configured is not held against its source again: either may be changed later, by whoever it belongs to.
  const source = fresh ? await sourceConfig(work, spec.source) : (await observed(work, spec.source.vmid))?.config;
  await ensureConfig(work, spec.ref.vmid, (config) => shadowConfig(spec, config, source));
  await ensureTags(work, spec.ref.vmid, (tags) => taggedAs(spec.marker, tags));
  await ensurePooled(work, spec);
  await ensureDiskSize(work, spec);
  if (fresh && source !== undefined) await ensureConfigured(work, spec, source);
  return (await live(work, spec.ref)).view;
}

/** @throws ProxmoxError permanent when somebody has started it half-made */
function isFresh({ view, config }: LiveGuest): boolean {
  if (!isUnconfigured(config)) return false;
  if (view.power === 'stopped') return true;
  throw new ProxmoxError({
    operation: 'configure',
    target: `VM ${view.ref.vmid} on ${view.node}`,
    failureClass: 'permanent',
    message: `it is ${view.power}, and it was not started by Umbra: until it is configured it has the identity of its source`,
  });
}

/** What a clone made now would take. @throws ProxmoxError not-found, or offline when its node is off */
export async function sourceConfig(work: Work, source: ShadowSpec['source']): Promise<GuestConfig> {
  const { vmid, cluster, snapshot } = source;
  const { view } = await live(work, { cluster, vmid });
  return await work.calls.configToClone(view.node, vmid, snapshot);
}

/** The last write, with the digest of what was measured: from here on it may be started and reached. */
async function ensureConfigured(work: Work, spec: ShadowSpec, source: GuestConfig): Promise<void> {
  await ensureConfig(work, spec.ref.vmid, (config) => {
    const change = configuredAs(spec, config, source);
    if (change !== undefined) requireIdentical(spec, source, { ...config, ...textsOf(change.set) });
    return change;
  });
}

function textsOf(set: Readonly<Record<string, string | number>>): GuestConfig {
  return Object.fromEntries(Object.entries(set).map(([key, value]) => [key, String(value)]));
}

type Look =
  | { readonly kind: 'absent' | 'cloning' | 'ours' }
  | { readonly kind: 'hidden'; readonly why: unknown }
  | { readonly kind: 'foreign'; readonly why: string };

async function look(work: Work, spec: ShadowSpec): Promise<Look> {
  let found: Found | undefined;
  try {
    found = await observed(work, spec.ref.vmid);
  } catch (error) {
    // Proxmox adds a clone to its pool last: until then a token with the pool's rights does not see its own clone.
    if (isHidden(error)) return { kind: 'hidden', why: error };
    throw error;
  }
  if (found === undefined) return { kind: 'absent' };
  // What the list shows of a guest on a dead node has no marker: whose it is cannot be seen.
  const { view } = reached(found);
  // While it is being cloned there is no marker yet: whose clone it is will be seen.
  if (view.lock === 'clone' || view.lock === 'create') return { kind: 'cloning' };
  const { marker } = view;
  if (marker !== undefined && sameInstance(marker, spec.marker) && marker.operation === spec.marker.operation) {
    return { kind: 'ours' };
  }
  const who =
    marker === undefined ? 'no marker of ours' : `the marker of ${marker.hostedVmId}/${marker.n} (${marker.operation})`;
  return { kind: 'foreign', why: `"${view.name}" on ${view.node} has ${who}` };
}

async function ensureCloned(work: Work, spec: ShadowSpec): Promise<void> {
  const patience = new Patience(work);
  let refusals = 0;
  let staleLooks = 0;
  for (;;) {
    const seen = await look(work, spec);
    if (seen.kind === 'ours') {
      work.doubts.delete(spec.ref.vmid);
      return;
    }
    if (seen.kind === 'foreign') throw taken(spec, seen.why);
    if (seen.kind === 'cloning' || seen.kind === 'hidden') {
      staleLooks = (await cloneRuns(work, spec)) ? 0 : staleLooks + 1;
      if (staleLooks >= looksAtStaleLock)
        throw seen.kind === 'hidden' ? takenUnseen(work, spec, seen.why) : staleLock(spec);
      await work.waiting.pause(work.timing.lookMs);
      continue;
    }
    if (mayStillCome(work, spec.ref.vmid)) {
      await work.waiting.pause(work.timing.lookMs);
      continue;
    }
    try {
      await clone(work, spec);
    } catch (error) {
      if (isFailure(error, 'exists')) {
        refusals += 1;
        if (refusals >= unseenRefusals) throw taken(spec, 'Proxmox says so, though it shows nobody with it');
      }
      if (isFailure(error, 'ambiguous')) work.doubts.set(spec.ref.vmid, work.waiting.now());
      work.log.info({ vmid: spec.ref.vmid, source: spec.source.vmid }, `clone: looking again after: ${String(error)}`);
      await patience.after(error, 'exists');
    }
  }
}

async function clone(work: Work, spec: ShadowSpec): Promise<void> {
  await requireRights(work, spec);
  const source = await live(work, { cluster: spec.ref.cluster, vmid: spec.source.vmid });
  const from = source.view.node;
  if (spec.source.snapshot === undefined && !source.view.template && source.view.power === 'running') {
    work.log.warn(
      { source: spec.source.vmid, node: from },
      'cloning a running guest: its file systems are frozen for a moment if its agent allows it, and it cannot be changed meanwhile',
    );
  }
  if (source.view.template) await ensureQuiet(work, spec, source.config);
  // A linked clone takes neither storage nor format: it lies where its base lies.
  const full = spec.full || !source.view.template;
  const parameters: CloneParameters = {
    newid: spec.ref.vmid,
    name: spec.name,
    description: describedAs({ ...spec.marker, unconfigured: true }, source.config['description']),
    full,
    ...(spec.pool === undefined ? {} : { pool: spec.pool }),
    ...(spec.source.snapshot === undefined ? {} : { snapname: spec.source.snapshot }),
    ...(full && spec.storage !== undefined ? { storage: spec.storage } : {}),
    ...(from === spec.node ? {} : { target: spec.node }),
  };
  // Proxmox accepts a clone to a node that is off: unconfigured, it would come back with that node.
  await requireOn(work.calls, spec.node);
  const upid = await work.calls.clone(from, spec.source.vmid, parameters);
  work.lastNode.delete(spec.ref.vmid);
  const { warnings } = await finished(work.calls, upid, {
    target: `VM ${spec.source.vmid} to ${spec.ref.vmid} on ${spec.node}`,
    waiting: work.waiting,
    log: work.log,
  });
  for (const text of warnings) work.log.warn({ vmid: spec.ref.vmid }, `clone: ${text}`);
}

/**
 * A template never starts: that it should start with its node says so of its clones alone, before they are configured.
 * @throws ProxmoxError invalid when the token may not take that off
 */
async function ensureQuiet(work: Work, spec: ShadowSpec, template: GuestConfig): Promise<void> {
  if (template['onboot'] !== '1') return;
  const { vmid } = spec.source;
  try {
    await ensureConfig(work, vmid, (config) => remaining({ onboot: '0', ...config }, { onboot: 0 }));
    work.log.info({ vmid }, 'template: onboot taken off, for its clones would start with their node half-made');
  } catch (error) {
    if (!isFailure(error, 'permission')) throw error;
    throw new ProxmoxError({
      operation: 'clone',
      target: `VM ${vmid} to ${spec.ref.vmid}`,
      failureClass: 'invalid',
      message: `template ${vmid} has onboot=1: its clones would start with their node half-made. On a node: qm set ${vmid} --onboot 0`,
    });
  }
}

/** True while Proxmox works on a clone of the source; when that cannot be asked, it may be, unless its node is off. */
async function cloneRuns(work: Work, spec: ShadowSpec): Promise<boolean> {
  const from = work.lastNode.get(spec.source.vmid) ?? spec.node;
  try {
    return (await work.calls.tasksOf(from, spec.source.vmid, 'active')).some((task) => task.type === 'qmclone');
  } catch (error) {
    if (isFailure(error, 'offline')) return false;
    if (isFailure(error, 'transient', 'permission')) return true;
    throw error;
  }
}

/** Proxmox adds the clone to its pool last; a node that dies before leaves it outside, where our rights end. */
async function ensurePooled(work: Work, spec: ShadowSpec): Promise<void> {
  if (spec.pool === undefined) return;
  const patience = new Patience(work);
  for (;;) {
    const row = (await work.calls.guestResources()).find((one) => one.vmid === spec.ref.vmid);
    if (row?.pool === spec.pool) return;
    try {
      await work.calls.addToPool(spec.pool, spec.ref.vmid);
      return;
    } catch (error) {
      // A member already (the list may lag), or of a pool somebody else chose: the pool is rights, not truth.
      if (error instanceof ProxmoxError && error.reason.includes('already')) return;
      // It is seen and was configured, so it is covered by other rights than the pool's.
      if (isFailure(error, 'permission')) {
        work.log.warn({ vmid: spec.ref.vmid }, `left outside its pool: ${error.message}`);
        return;
      }
      await patience.after(error);
    }
  }
}

async function ensureDiskSize(work: Work, spec: ShadowSpec): Promise<void> {
  if (spec.disk === undefined) return;
  const { drive, sizeGiB: wanted } = spec.disk;
  const patience = new Patience(work);
  for (;;) {
    const { view, config } = await live(work, spec.ref);
    const has = sizeGiB(properties(config[drive] ?? '')['size']);
    if (has !== undefined && has >= wanted) return;
    try {
      const upid = await work.calls.resize(view.node, spec.ref.vmid, drive, wanted);
      if (upid !== null) {
        const target = `${drive} of VM ${spec.ref.vmid} on ${view.node}`;
        await finished(work.calls, upid, { target, waiting: work.waiting, log: work.log });
      }
    } catch (error) {
      await patience.after(error);
    }
  }
}

function taken(spec: ShadowSpec, why: string): ProxmoxError {
  return new ProxmoxError({
    operation: 'clone',
    target: `VM ${spec.source.vmid} to ${spec.ref.vmid}`,
    failureClass: 'exists',
    message: `VMID ${spec.ref.vmid} belongs to somebody else: ${why}. Is the VMID range in the inventory really private?`,
  });
}

/** Somebody's, or our own clone whose node failed before it came into its pool: either way this VMID is not to be had. */
function takenUnseen({ spec: { pool = '', vmids } }: Work, spec: ShadowSpec, why: unknown): ProxmoxError {
  const { vmid } = spec.ref;
  return new ProxmoxError(
    {
      operation: 'clone',
      target: `VM ${spec.source.vmid} to ${vmid}`,
      failureClass: 'exists',
      message:
        `VMID ${vmid} is taken by a guest that is not visible to this token. If it is a clone of ours that failed half-way: ` +
        `qm unlock ${vmid} && qm destroy ${vmid}; if it is ours and left its pool: pveum pool modify ${pool} --vms ${vmid}; ` +
        `if it is somebody else's, VMIDs ${vmids.from}-${vmids.to} are not private`,
    },
    { cause: why },
  );
}

/**
 * A clone we may make and may not see would be made again and again, each with another VMID; and that it may not be made
 * Proxmox says without naming the right. @throws ProxmoxError permission
 */
async function requireRights({ calls }: Work, { ref, pool }: ShadowSpec): Promise<void> {
  const path = pool === undefined ? '/vms' : `/pool/${pool}`;
  const permissions = await calls.permissions();
  for (const privilege of ['VM.Allocate', 'VM.Audit']) {
    if (isGranted(permissions, path, privilege, pool === undefined)) continue;
    throw new ProxmoxError({
      operation: 'clone',
      target: `to VM ${ref.vmid}`,
      failureClass: 'permission',
      message: `nothing was made: this token lacks ${privilege} on ${path}`,
      lack: { privilege, path },
    });
  }
}

function staleLock(spec: ShadowSpec): ProxmoxError {
  const { vmid } = spec.ref;
  return new ProxmoxError({
    operation: 'clone',
    target: `VM ${spec.source.vmid} to ${vmid}`,
    failureClass: 'permanent',
    message:
      `VM ${vmid} holds the lock "clone" and no clone runs: its node probably failed in the middle. ` +
      `No API token may clear that lock; on the node: qm unlock ${vmid} && qm destroy ${vmid}`,
  });
}
