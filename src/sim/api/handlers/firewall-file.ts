import { createHash } from 'node:crypto';
import { firewallOf } from '../../cluster/firewall.ts';
import { datacenterFirewall, guestFirewall, nodeFirewall } from '../../world/firewall.ts';
import type { Firewall } from '../../world/firewall.ts';
import { failed } from '../refusal.ts';
import type { Call } from '../operation.ts';

/** Whose firewall a call is about: the file it is kept in, and the lock that is held to write it. */
export type Place = {
  readonly of: 'cluster' | 'host' | 'vm';
  readonly file: (call: Call) => string;
  readonly lock: (call: Call) => string;
};

export const datacenter: Place = {
  of: 'cluster',
  file: () => datacenterFirewall,
  lock: () => 'firewall-cluster',
};
export const node: Place = {
  of: 'host',
  file: (call) => nodeFirewall(call.node),
  lock: (call) => `firewall-host-${call.node}`,
};
/** A guest's file is asked for by number alone: it may be written before the guest is there, and on any node. */
export const guest: Place = {
  of: 'vm',
  file: (call) => guestFirewall(Number(call.args.need('vmid'))),
  lock: (call) => `firewall-vm-${call.args.need('vmid')}`,
};

export const readFirewall = (call: Call, place: Place): Firewall => firewallOf(call.cluster.world, place.file(call));

/** Changes a file under its lock; a configuration lock of the guest does not matter to it. */
export function changeFirewall(call: Call, place: Place, change: (firewall: Firewall) => void): null {
  const { cluster } = call;
  cluster.requireClusterLock(call.node, place.lock(call));
  const changed = structuredClone(readFirewall(call, place));
  change(changed);
  cluster.world.firewalls.set(place.file(call), changed);
  return null;
}

/** SHA-1 of what is shown: `key:value` lines of every entry, keys in order. */
export function digestOf(entries: readonly Readonly<Record<string, unknown>>[]): string {
  const sha = createHash('sha1');
  for (const entry of entries) {
    for (const key of Object.keys(entry).sort()) sha.update(`${key}:${String(entry[key])}\n`);
  }
  return sha.digest('hex');
}

/** Refuses to write over what somebody else has changed since it was read. */
export function requireDigest(call: Call, digest: string): void {
  const given = call.args.text('digest');
  if (given !== undefined && given !== digest)
    throw failed('detected modified configuration - file changed by other user? Try again.');
}
