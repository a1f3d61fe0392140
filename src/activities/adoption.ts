import type { FoundAgain, FoundGuest } from '../domain/hosted-vm/finding-again.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Refusal } from '../domain/reason.ts';
import { refuse } from '../domain/reason.ts';
import type { EpochMs } from '../domain/time.ts';
import type { GuestView, Hypervisor } from '../ports/hypervisor.ts';
import type { DnsObservation, DnsRefusal, NameServer } from '../ports/name-server.ts';
import { cancellation } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';

export type Adopted = {
  readonly kind: 'adopted';
  readonly node: string;
  readonly address: string;
  /** Null while only observing: nothing was written. */
  readonly generation: number | null;
  readonly resources: { readonly cores: number; readonly memoryMiB: number };
};

export function createAdoptionActivities(deps: Pick<ActivityDeps, 'hypervisorOf' | 'nameServerOf'>) {
  return {
    /** Finds the primary and where it is. Writes nothing. */
    async observePrimary(spec: HostedVmSpec): Promise<Adopted | Refusal> {
      const hypervisor = await deps.hypervisorOf(spec.primary.cluster);
      const guest = await findPrimary(hypervisor, spec);
      return guest.kind === 'refused' ? guest : adoptedAs(guest, null);
    },

    /**
     * Marks the primary as ours and claims its names in DNS. Safe to repeat; refuses what belongs to somebody else.
     * Where the names are ours already and we have made guests for them, it says what is there and writes nothing:
     * then Temporal's state was lost.
     */
    async ensureAdopted(spec: HostedVmSpec): Promise<Adopted | FoundAgain | Refusal> {
      const hypervisor = await deps.hypervisorOf(spec.primary.cluster);
      const nameServer = await deps.nameServerOf(spec.zone);
      const held = ours(
        await nameServer.observe(spec.zone, spec.names, cancellation()),
        spec.id,
        nameServer.installation,
      );
      // What our token may not see is not listed: who was there before could not be told.
      const blind = held === undefined ? undefined : await missingRights(hypervisor, spec, 'VM.Audit');
      if (blind !== undefined) return blind;
      const again = held === undefined ? undefined : await foundAgain(hypervisor, held, spec);
      if (again !== undefined) return again;
      const guest = await findPrimary(hypervisor, spec);
      if (guest.kind === 'refused') return guest;
      const { marker } = guest.view;
      if (marker !== undefined && marker.hostedVmId !== spec.id) {
        return refuse('marked-by-another', `VM ${spec.primary.vmid} is marked for hosted VM ${marker.hostedVmId}`);
      }
      const lacking = await missingRights(hypervisor, spec);
      if (lacking !== undefined) return lacking;
      const claim = await claimNames(nameServer, held, spec, guest.address);
      if (typeof claim !== 'number') return claim;
      const mark = { hostedVmId: spec.id, n: 0, role: 'primary', operation: `adopt/${spec.id}` } as const;
      const { cluster, vmid } = spec.primary;
      const marked = await hypervisor.ensureMarked({ cluster, vmid }, mark, { protected: true }, cancellation());
      return adoptedAs({ ...guest, view: marked }, claim);
    },
  };
}

/** Its own guest and its template beside what the whole cluster needs: what is found here is not found out at a failover. */
async function missingRights(hypervisor: Hypervisor, spec: HostedVmSpec, only?: string): Promise<Refusal | undefined> {
  const used = { primaries: [spec.primary.vmid], templates: spec.source === undefined ? [] : [spec.source.vmid] };
  const lacking = (await hypervisor.checkRights(cancellation(), used)).filter(
    ({ granted, privilege }) => !granted && (only === undefined || privilege === only),
  );
  const [first] = lacking;
  if (first === undefined) return undefined;
  const what = lacking.map(({ privilege, path }) => `${privilege} on ${path}`).join(', ');
  return refuse('rights-missing', `the Proxmox token lacks ${what}; grant with: ${first.mend}`);
}

type Found = { readonly kind: 'found'; readonly view: GuestView; readonly address: string };

/** The newest record of a hosted VM's owner, and what stands beside it. */
type Held = { readonly generation: number; readonly a: readonly string[]; readonly aaaa: readonly string[] };

/** Undefined for a hosted VM that only its primary has ever served. */
async function foundAgain(
  hypervisor: Hypervisor,
  held: Held,
  spec: HostedVmSpec,
): Promise<FoundAgain | Refusal | undefined> {
  const { vmid: original } = spec.primary;
  const { quorate, guests: listed } = await hypervisor.observeCluster(cancellation());
  const guests = listed.flatMap((view): FoundGuest[] => {
    const { marker, template, ref } = view;
    if (template) return [];
    if (ref.vmid === original) {
      const role = marker?.hostedVmId === spec.id ? marker.role : 'primary';
      return [foundGuest({ ...view, addresses: addressesOf(view, spec) }, 0, role, marker?.retiredAt)];
    }
    // A former original, where the inventory names another one by now, is nobody's.
    if (marker?.hostedVmId !== spec.id || marker.n === 0) return [];
    // A clone that was never finished serves for nothing but to be deleted; its number is taken all the same.
    if (marker.unconfigured === true) return [foundGuest(view, marker.n, 'retired', marker.retiredAt)];
    return [foundGuest(view, marker.n, marker.role, marker.retiredAt)];
  });
  const answers = [...held.a].sort();
  const onlyPrimary = guests.every(({ n }) => n === 0);
  if (onlyPrimary && guests.some(({ address }) => address !== undefined && answers.includes(address))) return undefined;
  if (!quorate) {
    const text = `${spec.primary.cluster} has no quorum: which guest serves ${spec.id} cannot be seen`;
    return refuse('no-quorum', text);
  }
  return { kind: 'found-again', generation: held.generation, answers, guests };
}

function addressesOf({ addresses }: GuestView, { primary }: HostedVmSpec): readonly string[] {
  return primary.address === undefined ? addresses : [primary.address];
}

function foundGuest(
  { ref, node, nodeOnline, power, addresses, cores, memoryMiB }: GuestView,
  n: number,
  role: FoundGuest['role'],
  retiredAt: EpochMs | undefined,
): FoundGuest {
  const address = addresses.find((one) => !one.includes(':'));
  const address6 = addresses.find((one) => one.includes(':'));
  return {
    ...{ n, role, vmid: ref.vmid, node, nodeOnline, power, cores, memoryMiB },
    ...(retiredAt === undefined ? {} : { retiredAt }),
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
  };
}

async function findPrimary(hypervisor: Hypervisor, spec: HostedVmSpec): Promise<Found | Refusal> {
  const { cluster, vmid } = spec.primary;
  const view = await hypervisor.observeGuest({ cluster, vmid }, cancellation());
  if (view === undefined) return refuse('primary-missing', `cluster ${cluster} has no VM ${vmid}`);
  const address = spec.primary.address ?? view.addresses[0];
  if (address === undefined) {
    return refuse('no-address', `VM ${vmid} has no static address; name it as primary.address in the inventory`);
  }
  return { kind: 'found', view, address };
}

/** @returns the generation we hold now, or why the names are not ours to change */
async function claimNames(
  nameServer: NameServer,
  held: Held | undefined,
  spec: HostedVmSpec,
  address: string,
): Promise<number | Refusal> {
  if (held !== undefined) {
    if (held.a.includes(address)) return held.generation;
    const named = [...held.a, ...held.aaaa].join(', ') || 'nothing';
    return refuse('answers-elsewhere', `DNS names ${named} under our own record, not the primary's ${address}`);
  }
  const { zone, names, ttlSeconds } = spec;
  const outcome = await nameServer.ensureAnswers(
    {
      ...{ owner: spec.id, from: undefined, to: 1, takingOver: { only: [address] } },
      records: { zone, names, ttlSeconds, a: [address], aaaa: [] },
    },
    cancellation(),
  );
  if (outcome.kind === 'applied' || outcome.kind === 'already-applied') return outcome.generation;
  return refusalOf(outcome, spec, address);
}

function refusalOf(refused: DnsRefusal, { names, zone, primary }: HostedVmSpec, address: string): Refusal {
  const { server, owner, installation, a, aaaa } = refused.found;
  if (refused.kind === 'answers-differ') {
    const found = [...a, ...aaaa].join(', ');
    return refuse(
      'answers-differ',
      `${refused.name} leads to ${found} at ${server}, VM ${primary.vmid} has ${address}: nothing was changed. ` +
        'Name the VM that has these addresses, correct DNS, or say takeOver: true in the inventory to replace them',
    );
  }
  const by =
    owner === undefined
      ? 'by a record that is none of ours'
      : `by hosted VM ${owner} of installation ${installation ?? 'unknown'}`;
  return refuse('names-not-ours', `${names[0] ?? zone} is held ${by} at ${server}`);
}

function ours({ servers }: DnsObservation, owner: string, installation: string): Held | undefined {
  const held = servers.flatMap((view) =>
    view.owner === owner && view.installation === installation && view.generation !== undefined
      ? [{ ...view, generation: view.generation }]
      : [],
  );
  return held.sort((left, right) => right.generation - left.generation)[0];
}

function adoptedAs({ view, address }: Found, generation: number | null): Adopted {
  const { node, cores, memoryMiB } = view;
  return { kind: 'adopted', node, address, generation, resources: { cores, memoryMiB } };
}
