import { isIPv4 } from 'node:net';
import { isInRange } from './addresses.ts';
import { normaliseName } from './names.ts';
import type { Seen, SeenAddress, SeenGuest, SeenName } from './seen.ts';

/** A guest with the names that lead to it. */
export type Lead = {
  readonly guest: SeenGuest;
  readonly address: SeenAddress;
  readonly zone: string;
  /** Never empty. All lead to this address and nowhere else. */
  readonly names: readonly string[];
  /** What an operator should know before he takes it, each a sentence. */
  readonly notes: readonly string[];
};

export type LeftOut = { readonly vmid: number; readonly name: string; readonly why: string };

/** Which names lead to which guest. A guest that is no candidate is left out with the reason. Pure. */
export function leadsOf(seen: Seen): { readonly leads: readonly Lead[]; readonly leftOut: readonly LeftOut[] } {
  const leads: Lead[] = [];
  const leftOut: LeftOut[] = [];
  for (const guest of [...seen.guests].sort((a, b) => a.vmid - b.vmid)) {
    const lead = guest.template ? undefined : leadOf(guest, seen);
    if (typeof lead === 'string') leftOut.push({ vmid: guest.vmid, name: guest.name, why: lead });
    else if (lead !== undefined) leads.push(lead);
  }
  return { leads, leftOut };
}

/** @returns why it is none, else the lead */
function leadOf(guest: SeenGuest, seen: Seen): Lead | string {
  const known = seen.known.find(({ vmid }) => vmid === guest.vmid);
  if (known !== undefined) return `is the primary of ${known.id} in this inventory already`;
  if (guest.vmid >= seen.vmids.from && guest.vmid <= seen.vmids.to) {
    return guest.hostedVmId === undefined
      ? `stands in ${seen.vmids.from}-${seen.vmids.to}, the VMIDs for shadows, and is not Umbra's: choose other VMIDs`
      : `is Umbra's, of hosted VM ${guest.hostedVmId}`;
  }
  if (guest.addresses.length === 0) {
    return 'its address is not known: cloud-init gives it no static one, and no guest agent has said one';
  }
  const own = new Set(guest.addresses.map(({ address }) => address));
  const leading = seen.names.filter(({ a, aaaa }) => [...a, ...aaaa].some((address) => own.has(address)));
  const said = guest.addresses.map(({ address }) => address).join(', ');
  if (leading.length === 0) return `no name that was read leads to ${said}`;

  const address = mostNamed(guest.addresses, leading);
  if (address === undefined) return `only IPv6 leads to it (${said}): Umbra gives out IPv4 addresses`;
  if (isInRange(address.address, seen.addresses)) {
    return `has ${address.address}, which lies in the addresses for shadows: choose another range`;
  }
  const notes: string[] = [];
  const names: SeenName[] = [];
  for (const each of leading) {
    const objection = objectionTo(each, address.address, own, seen);
    if (objection === undefined) names.push(each);
    else notes.push(`${each.name} is left out: ${objection}`);
  }
  const zone = names[0]?.zone;
  if (zone === undefined) return notes.join('; ');
  for (const { name } of names.filter((each) => each.zone !== zone)) {
    notes.push(`${name} is left out: it is in another zone, and the names of a hosted VM share one`);
  }
  const kept = names.filter((each) => each.zone === zone);
  return {
    guest,
    address,
    zone,
    names: kept.map(({ name }) => name),
    notes: [...notes, ...remarks(guest, kept, seen)],
  };
}

/** The IPv4 address that most names lead to; the first of several. */
function mostNamed(addresses: readonly SeenAddress[], names: readonly SeenName[]): SeenAddress | undefined {
  const count = ({ address }: SeenAddress): number => names.filter(({ a }) => a.includes(address)).length;
  return addresses
    .filter((each) => isIPv4(each.address) && count(each) > 0)
    .sort((one, other) => count(other) - count(one))[0];
}

/** Why a name that leads to a guest cannot be moved with it. */
function objectionTo(
  { name, a, aaaa, owner, nameServer }: SeenName,
  address: string,
  own: ReadonlySet<string>,
  seen: Seen,
): string | undefined {
  if (nameServer === true) return 'an NS record leads to it, and a name server does not move';
  if (normaliseName(name) !== name) return 'it is not a host name that an inventory can hold';
  if (owner !== undefined) return `hosted VM ${owner} of an Umbra has claimed it`;
  const holder = seen.known.find(({ names }) => names.includes(name));
  if (holder !== undefined) return `it belongs to ${holder.id} in this inventory`;
  const elsewhere = [...a, ...aaaa].filter((each) => each !== address);
  const others = elsewhere.filter((each) => !own.has(each));
  if (others.length > 0) {
    const whose = seen.guests.find((guest) => guest.addresses.some((each) => others.includes(each.address)));
    const where = whose === undefined ? 'which no guest seen here has' : `which is VM ${whose.vmid}`;
    return `it answers with ${others.join(', ')} too, ${where}`;
  }
  if (!a.includes(address)) return `it leads to ${elsewhere.join(', ')}, another address of this guest`;
  const second = a.find((each) => each !== address);
  return second === undefined ? undefined : `it answers with ${second} too, another address of this guest`;
}

function remarks(guest: SeenGuest, names: readonly SeenName[], seen: Seen): string[] {
  const kept = new Set(names.map(({ name }) => name));
  const six = names.filter(({ aaaa }) => aaaa.length > 0).map(({ name }) => name);
  return [
    ...seen.names
      .filter(({ aliasOf }) => aliasOf !== undefined && kept.has(aliasOf))
      .map(({ name, aliasOf }) => `${name} is another name for ${aliasOf ?? ''} (CNAME) and follows it by itself`),
    ...(six.length === 0
      ? []
      : [`${six.join(', ')}: AAAA goes away once Umbra writes the answers, which are IPv4 addresses`]),
    ...(guest.managedByHa ? ['Proxmox HA manages it: better take it out of HA (docs/proxmox.md, Fencing)'] : []),
    ...(guest.running ? [] : ['it does not run just now']),
  ];
}
