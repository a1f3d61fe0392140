import type { GuestRef, GuestView, Marker } from '../../ports/hypervisor.ts';
import { ProxmoxError } from './errors.ts';
import type { GuestConfig } from './guest-config.ts';
import { live } from './guest.ts';
import { describedAs, isUnconfigured, readMarker, sameInstance, taggedAs } from './marker.ts';
import type { Work } from './site.ts';
import { ensureTags } from './tags.ts';
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
  await ensureConfig(work, ref.vmid, (config) => {
    requireOurs(ref, marker, config);
    // A mark configures nothing: what could not be started before cannot be after it.
    const kept: Marker = isUnconfigured(config) ? { ...marker, unconfigured: true } : marker;
    return remaining(
      // Unset reads as 0: there is no protection to be taken away.
      { protection: '0', ...config },
      { description: describedAs(kept, config['description']), protection: options.protected ? 1 : 0 },
      [],
      (key, stored, text) => key === 'description' && stored.trim() === text.trim(),
    );
  });
  await ensureTags(work, ref.vmid, (tags) => taggedAs(marker, tags));
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
