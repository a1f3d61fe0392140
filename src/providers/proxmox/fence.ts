import type { Fence, GuestRef, GuestView } from '../../ports/hypervisor.ts';
import { isFailure } from './errors.ts';
import type { GuestConfig } from './guest-config.ts';
import { properties, propertyString, tagsOf } from './guest-config.ts';
import { live, observed } from './guest.ts';
import { ensureHaIgnored, haFenceProof, isManaged } from './ha.ts';
import { tagList } from './marker.ts';
import { carryOut } from './power.ts';
import type { Work } from './site.ts';
import { ensureConfig, Patience, remaining } from './writing.ts';

/*
 * Making certain that an instance cannot serve any more. Stopped and read back from its node is proof; a node recovered
 * by ha-manager is proof; silence is not. A guest that returns with its node is fenced like any other: it is asked for
 * again until it is stopped, and it does not start at boot any more.
 */

// Two looks, apart: a start that was sent before our stop may still be carried out after it.
const secondLookMs = 700;

export async function ensureFenced(work: Work, ref: GuestRef): Promise<Fence> {
  const found = await observed(work, ref.vmid);
  if (found === undefined) return { fenced: true, proof: `no node of ${work.spec.name} has VM ${ref.vmid}` };
  const { view } = found;
  const notIgnored = isManaged(view.ha) ? await ensureHaIgnored(work, ref.vmid) : undefined;
  if (!view.nodeOnline) return await fencedWithNode(work, view, notIgnored);
  return await ensureStopped(work, ref, notIgnored);
}

async function fencedWithNode(work: Work, view: GuestView, notIgnored: string | undefined): Promise<Fence> {
  const proof = await haFenceProof(work, view.ref.vmid, view.node);
  if (proof !== undefined) return proof;
  const why = notIgnored === undefined ? '' : `; ${notIgnored}`;
  return {
    fenced: false,
    proof: `node ${view.node} is off or out of reach; VM ${view.ref.vmid} may still run there, nothing proves otherwise${why}`,
  };
}

async function ensureStopped(work: Work, ref: GuestRef, notIgnored: string | undefined): Promise<Fence> {
  const patience = new Patience(work);
  let askedHaAt: number | undefined;
  for (;;) {
    const found = await observed(work, ref.vmid);
    if (found === undefined) return { fenced: true, proof: `no node of ${work.spec.name} has VM ${ref.vmid} any more` };
    const { view } = found;
    if (!view.nodeOnline) return await fencedWithNode(work, view, notIgnored);
    // HA has heard us and acts in rounds: until it does there is nothing to ask again.
    if (view.power === 'running' && askedHaAt !== undefined && work.waiting.now() - askedHaAt < work.timing.haMs) {
      await work.waiting.pause(work.timing.lookMs);
      continue;
    }
    if (view.power === 'stopped' || view.power === 'suspended') {
      if (await staysStopped(work, ref)) {
        await keepFromBooting(work, ref);
        return { fenced: true, proof: `stopped, read back from ${view.node}` };
      }
      continue;
    }
    try {
      await carryOut(work, view, 'stop');
      if (notIgnored !== undefined && isManaged(view.ha)) askedHaAt = work.waiting.now();
    } catch (error) {
      if (isFailure(error, 'locked', 'permanent')) {
        const isolated = await isolate(work, ref, String(error));
        if (isolated !== undefined) return isolated;
      }
      await patience.after(error, 'not-found', 'already-done');
    }
  }
}

async function staysStopped(work: Work, ref: GuestRef): Promise<boolean> {
  await work.waiting.pause(secondLookMs);
  const found = await observed(work, ref.vmid);
  return found === undefined || found.view.power === 'stopped' || found.view.power === 'suspended';
}

/** Says that the links are down because of us, so that we take them up again and nobody else's. */
const isolatedTag = 'umbra-isolated';

/** When it cannot be stopped its links are cut: a guest nobody reaches serves nobody. */
async function isolate(work: Work, ref: GuestRef, why: string): Promise<Fence | undefined> {
  try {
    const { view, config } = await live(work, ref);
    const links = Object.entries(config).filter(([key]) => /^net\d+$/.test(key));
    const down = Object.fromEntries(
      links.map(([key, text]) => [key, propertyString({ ...properties(text), link_down: '1' })]),
    );
    const change = remaining(config, { ...down, tags: tagList([...tagsOf(config['tags']), isolatedTag]) });
    if (change === undefined || links.length === 0) return undefined;
    await work.calls.changeConfig(view.node, ref.vmid, change, config['digest']);
    const waiting = (await work.calls.pending(view.node, ref.vmid)).filter(
      (row) => /^net\d+$/.test(row.key) && row.pending !== undefined,
    );
    if (waiting.length > 0) return undefined;
    return {
      fenced: false,
      isolated: true,
      proof: `its links are down on ${view.node}; it cannot be stopped yet: ${why}`,
    };
  } catch (error) {
    work.log.warn({ vmid: ref.vmid }, `fence: could not cut its links either: ${String(error)}`);
    return undefined;
  }
}

/** Best effort and after the proof: a stopped guest must not come back with its node; its links are not needed down any more. */
async function keepFromBooting(work: Work, ref: GuestRef): Promise<void> {
  try {
    await ensureConfig(work, ref.vmid, (config) =>
      remaining({ onboot: '0', ...config }, { onboot: 0, ...linksUp(config) }),
    );
  } catch (error) {
    work.log.warn({ vmid: ref.vmid }, `fence: it is stopped, but would start with its node: ${String(error)}`);
  }
}

/** The links and tags as they were before we cut the guest off. */
function linksUp(config: GuestConfig): Record<string, string> {
  const tags = tagsOf(config['tags']);
  if (!tags.includes(isolatedTag)) return {};
  const links = Object.entries(config)
    .filter(([key]) => /^net\d+$/.test(key))
    .map(([key, text]): [string, string] => {
      const parts = Object.entries(properties(text)).filter(([option]) => option !== 'link_down');
      return [key, propertyString(Object.fromEntries(parts))];
    });
  return { ...Object.fromEntries(links), tags: tagList(tags.filter((tag) => tag !== isolatedTag)) };
}
