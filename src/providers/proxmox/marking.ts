import type { GuestRef, GuestView, Marker } from '../../ports/hypervisor.ts';
import { isFailure, ProxmoxError } from './errors.ts';
import type { GuestConfig } from './guest-config.ts';
import { live } from './guest.ts';
import { describedAs, readMarker, sameInstance, taggedAs } from './marker.ts';
import type { Work } from './site.ts';
import { ensureConfig, remaining } from './writing.ts';

/**
 * Says on the guest itself whose it is and what it is now, and lets Proxmox guard the one that serves. This is also how
 * an existing primary is adopted: a guest without a marker gets one, one with somebody else's is refused.
 */
export async function ensureMarked(
  work: Work,
  ref: GuestRef,
  marker: Marker,
  options: { readonly protected: boolean },
): Promise<GuestView> {
  const wanted = (tags: boolean) => (config: GuestConfig) => {
    requireOurs(ref, marker, config);
    return remaining(
      config,
      {
        description: describedAs(marker, config['description']),
        ...(tags ? { tags: taggedAs(marker, config['tags']) } : {}),
        protection: options.protected ? 1 : 0,
      },
      [],
      (key, stored, text) => key === 'description' && stored.trim() === text.trim(),
    );
  };
  // Unset reads as 0: there is no protection to be taken away.
  const withDefault =
    (tags: boolean) =>
    (config: GuestConfig): ReturnType<ReturnType<typeof wanted>> =>
      wanted(tags)({ protection: '0', ...config });
  try {
    await ensureConfig(work, ref.vmid, withDefault(true));
  } catch (error) {
    // A datacenter may allow registered tags only. Tags are for eyes; the marker is what counts.
    if (!isFailure(error, 'permission') || !error.message.includes('tag')) throw error;
    work.log.warn({ vmid: ref.vmid }, `marked without tags: ${error.message}`);
    await ensureConfig(work, ref.vmid, withDefault(false));
  }
  return (await live(work, ref)).view;
}

function requireOurs(ref: GuestRef, marker: Marker, config: GuestConfig): void {
  const found = readMarker(config['description']);
  if (config['template'] === '1') {
    throw new ProxmoxError({
      operation: 'mark',
      target: `VM ${ref.vmid}`,
      failureClass: 'invalid',
      message: 'it is a template; a hosted VM needs a guest that can run',
    });
  }
  if (found === undefined || sameInstance(found, marker)) return;
  throw new ProxmoxError({
    operation: 'mark',
    target: `VM ${ref.vmid}`,
    failureClass: 'exists',
    message: `it is marked as ${found.hostedVmId}/${found.n}; it cannot be ${marker.hostedVmId}/${marker.n} as well`,
  });
}
