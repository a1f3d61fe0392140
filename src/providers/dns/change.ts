import { addressData, addressOf, recordClass, recordType } from './record.ts';
import type { DnsServerView, NameServer } from '../../ports/name-server.ts';

export type Change = Parameters<NameServer['ensureAnswers']>[0];

/** Why a change must not even be tried; undefined when it may. */
export function whyImpossible(change: Change): string | undefined {
  const { records, owner, from, to } = change;
  if (records.a.length + records.aaaa.length === 0) return 'the answers would be empty, which is never published';
  if (records.names.length === 0) return 'no names given';
  if (from !== undefined && to <= from) return `generation ${to} does not come after ${from}`;
  if (!/^[!-~]{1,100}$/.test(owner)) return 'an owner is 1 to 100 printable characters without spaces';
  return undefined;
}

/** An address as it comes back, so that `2001:DB8:0::1` and `2001:db8::1` are one. */
export function canonicalAddress(address: string): string {
  const type = address.includes(':') ? recordType.AAAA : recordType.A;
  return addressOf({ name: '', type, class: recordClass.IN, ttl: 0, data: addressData(type, address) });
}

/** Whether a server answers exactly the addresses of the change, in whatever order and spelling. */
export function sameAnswers(view: DnsServerView, change: Change): boolean {
  const same = (seen: readonly string[], wanted: readonly string[]) =>
    [...seen].sort().join() === [...new Set(wanted.map((address) => canonicalAddress(address)))].sort().join();
  return same(view.a, change.records.a) && same(view.aaaa, change.records.aaaa);
}

/** Whether a server answers what we published. One that shows a newer generation has left us behind, not the reverse. */
export function shows(view: DnsServerView, change: Change & { readonly installation: string }): boolean {
  if (view.owner !== change.owner || view.installation !== change.installation) return false;
  if ((view.generation ?? 0) > change.to) return true;
  return view.generation === change.to && sameAnswers(view, change);
}
