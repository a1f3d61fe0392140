import type { Lead } from './leads.ts';
import type { ProposedCheck, Seen, SeenDemand, TriedCheck } from './seen.ts';

/** A hosted VM as first contact proposes it. */
export type Candidate = {
  readonly id: string;
  readonly lead: Lead;
  /** The first that answered. */
  readonly check?: TriedCheck;
  /** What was tried in vain; said when nothing answered. */
  readonly silent: readonly TriedCheck[];
  readonly capacity: { readonly qps: number; readonly how: string };
};

/** Looked at with ports of the operator's own first: what tells most about the service before what tells least. */
export function checksToTry(ports: readonly number[] = []): ProposedCheck[] {
  return [
    ...ports.flatMap((port): ProposedCheck[] => [
      { kind: 'http', port, path: '/' },
      { kind: 'http', port, path: '/', tls: true },
      { kind: 'tcp', port },
    ]),
    { kind: 'http', port: 443, path: '/', tls: true },
    { kind: 'http', port: 80, path: '/' },
    { kind: 'tcp', port: 443 },
    { kind: 'tcp', port: 80 },
    { kind: 'tcp', port: 22 },
  ];
}

/** A round number of questions that a core of an unknown service answers: a start, to be replaced by what was measured. */
const guessedQpsPerCore = 50;
/** Below this a guest's CPU is mostly its own housekeeping, and nothing follows from it. */
const leastTellingCpu = 0.05;

/** @param tried in the order of preference, for all leads together. Pure. */
export function candidatesOf(seen: Seen, leads: readonly Lead[], tried: readonly TriedCheck[]): Candidate[] {
  const taken = new Set(seen.known.map(({ id }) => id));
  return leads.map((lead) => {
    const own = tried.filter(({ address }) => address === lead.address.address);
    const check = own.find(({ answered }) => answered);
    const id = idFor(lead, taken);
    taken.add(id);
    return {
      id,
      lead,
      ...(check === undefined ? {} : { check }),
      silent: check === undefined ? own : [],
      capacity: capacityOf(lead, seen.demand),
    };
  });
}

/** The first label of its first name; with the VMID behind when somebody has it. */
function idFor({ names, guest }: Lead, taken: ReadonlySet<string>): string {
  const name = names.find((each) => !each.startsWith('*.')) ?? names[0]?.slice(2) ?? '';
  const word = (name.split('.')[0] ?? '')
    .replaceAll('_', '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '');
  if (word === '') return `vm-${guest.vmid}`;
  return taken.has(word) ? `${word.slice(0, 40 - `-${guest.vmid}`.length)}-${guest.vmid}` : word;
}

function capacityOf({ guest, names }: Lead, demand: readonly SeenDemand[]): Candidate['capacity'] {
  const counted = demand.find((each) => each.names.some((name) => names.includes(name)));
  const { nowQps } = counted ?? {};
  if (counted !== undefined && nowQps !== undefined && nowQps > 0 && (guest.cpu ?? 0) >= leastTellingCpu) {
    const cpu = guest.cpu ?? 1;
    const qps = rounded(nowQps / cpu);
    const how = `an estimate: ${figure(nowQps)} q/s are counted while it uses ${Math.round(cpu * 100)} % of its CPUs`;
    return { qps, how };
  }
  const cores = Math.max(1, guest.cores);
  const guess = cores * guessedQpsPerCore;
  if (counted !== undefined && counted.peakQps > guess) {
    const how = `an estimate: it has carried ${figure(counted.peakQps)} q/s in the last ${counted.since}; its limit is above that`;
    return { qps: rounded(counted.peakQps), how };
  }
  const how = `a guess to be replaced: ${cores} ${cores === 1 ? 'core' : 'cores'} at ${guessedQpsPerCore} q/s each; no demand on it is counted yet`;
  return { qps: guess, how };
}

/** Two figures are more than an estimate knows. */
function rounded(qps: number): number {
  return Math.max(1, Number(qps.toPrecision(2)));
}

function figure(qps: number): string {
  return String(Number(qps.toPrecision(3)));
}
