import { canonicalName, isUnder, readName } from './name.ts';
import { recordClass, recordType } from './record.ts';
import type { RcodeName } from './message.ts';
import type { ResourceRecord } from './record.ts';

type Rrset = { readonly ttl: number; readonly data: readonly Buffer[] };
type Names = ReadonlyMap<string, ReadonlyMap<number, Rrset>>;

type Lookup = {
  readonly rcode: RcodeName;
  readonly answers: readonly ResourceRecord[];
  /** The SOA when there is no answer: for how long its absence may be remembered. */
  readonly authorities: readonly ResourceRecord[];
};

/** An authoritative zone in memory, without delegations. */
export type Zone = {
  readonly origin: string;
  lookup(name: string, type: number): Lookup;
  records(): ResourceRecord[];
  /** Carries out an UPDATE (RFC 2136 3) as a whole or not at all. */
  update(prerequisites: readonly ResourceRecord[], updates: readonly ResourceRecord[]): RcodeName;
};

/** Types that stand for something else than data; nothing of the kind can be stored. */
const isMetaType = (type: number): boolean => type === recordType.OPT || (type >= 128 && type <= 255);

const fixedLength: Readonly<Record<number, number>> = { [recordType.A]: 4, [recordType.AAAA]: 16 };

const serialSpace = 2 ** 32;

export function createZone(origin: string, start: readonly ResourceRecord[]): Zone {
  const apex = canonicalName(origin);
  let names = namesOf(start);
  let existing = withAncestors(names, apex);

  function soa(): ResourceRecord[] {
    const set = names.get(apex)?.get(recordType.SOA);
    return set === undefined ? [] : recordsOf(apex, recordType.SOA, set);
  }

  function lookup(asked: string, type: number, depth = 0): Lookup {
    const name = canonicalName(asked);
    if (!isUnder(name, apex)) return { rcode: 'REFUSED', answers: [], authorities: [] };
    const sets = names.get(name) ?? (existing.has(name) ? undefined : wildcardFor(name));
    if (sets === undefined) {
      return { rcode: existing.has(name) ? 'NOERROR' : 'NXDOMAIN', answers: [], authorities: soa() };
    }
    if (type === recordType.ANY) {
      const answers = [...sets].flatMap(([each, set]) => recordsOf(asked, each, set));
      return { rcode: 'NOERROR', answers, authorities: [] };
    }
    const set = sets.get(type);
    if (set !== undefined) return { rcode: 'NOERROR', answers: recordsOf(asked, type, set), authorities: [] };
    const alias = sets.get(recordType.CNAME);
    if (alias === undefined) return { rcode: 'NOERROR', answers: [], authorities: soa() };
    const answers = recordsOf(asked, recordType.CNAME, alias);
    const target = readName(alias.data[0] ?? Buffer.alloc(1), 0).name;
    if (depth >= 8 || !isUnder(canonicalName(target), apex)) return { rcode: 'NOERROR', answers, authorities: [] };
    const rest = lookup(target, type, depth + 1);
    return { ...rest, answers: [...answers, ...rest.answers] };
  }

  /** RFC 4592: the wildcard directly below the closest name that exists. */
  function wildcardFor(name: string): ReadonlyMap<number, Rrset> | undefined {
    let ancestor = name;
    do {
      ancestor = parentOf(ancestor);
    } while (!existing.has(ancestor));
    return names.get(`*.${ancestor}`);
  }

  function update(prerequisites: readonly ResourceRecord[], updates: readonly ResourceRecord[]): RcodeName {
    const unmet = unmetPrerequisite(names, apex, prerequisites) ?? malformedUpdate(apex, updates);
    if (unmet !== undefined) return unmet;
    const changed = updates.reduce((all, record) => applied(all, apex, record), names);
    if (changed === names) return 'NOERROR';
    names = withNextSerial(changed, apex);
    existing = withAncestors(names, apex);
    return 'NOERROR';
  }

  const records = () =>
    [...names].flatMap(([name, sets]) => [...sets].flatMap(([type, set]) => recordsOf(name, type, set)));

  return { origin: apex, lookup, records, update };
}

function namesOf(records: readonly ResourceRecord[]): Names {
  const names = new Map<string, Map<number, Rrset>>();
  for (const record of records) {
    const name = canonicalName(record.name);
    const sets = names.get(name) ?? new Map<number, Rrset>();
    sets.set(record.type, { ttl: record.ttl, data: [...(sets.get(record.type)?.data ?? []), record.data] });
    names.set(name, sets);
  }
  return names;
}

function parentOf(name: string): string {
  const dot = name.search(/(?<!\\)\./);
  return dot < 0 ? '' : name.slice(dot + 1);
}

/** All names that have records, and those above them: an empty name in between exists too. */
function withAncestors(names: Names, apex: string): ReadonlySet<string> {
  const all = new Set([apex]);
  for (const name of names.keys()) {
    for (let each = name; !all.has(each) && each !== ''; each = parentOf(each)) all.add(each);
  }
  return all;
}

function recordsOf(name: string, type: number, set: Rrset): ResourceRecord[] {
  return set.data.map((data) => ({ name, type, class: recordClass.IN, ttl: set.ttl, data }));
}

/** The zone with one RRset replaced; undefined removes it. */
function withSet(names: Names, name: string, type: number, set: Rrset | undefined): Names {
  const sets = new Map(names.get(name));
  if (set === undefined || set.data.length === 0) sets.delete(type);
  else sets.set(type, set);
  const changed = new Map(names);
  if (sets.size === 0) changed.delete(name);
  else changed.set(name, sets);
  return changed;
}

function withRecord(names: Names, record: ResourceRecord): Names {
  const name = canonicalName(record.name);
  const known = names.get(name)?.get(record.type);
  const data = known?.data ?? [];
  const there = data.some((each) => each.equals(record.data));
  if (there && known?.ttl === record.ttl) return names;
  return withSet(names, name, record.type, { ttl: record.ttl, data: there ? data : [...data, record.data] });
}

/** RFC 2136 3.2: the first prerequisite that does not hold, by its response code. */
function unmetPrerequisite(
  names: Names,
  apex: string,
  prerequisites: readonly ResourceRecord[],
): RcodeName | undefined {
  const wanted = new Map<string, { name: string; type: number; data: Buffer[] }>();
  for (const record of prerequisites) {
    const name = canonicalName(record.name);
    if (record.ttl !== 0) return 'FORMERR';
    if (!isUnder(name, apex)) return 'NOTZONE';
    const sets = names.get(name);
    if (record.class === recordClass.IN) {
      const key = `${name} ${record.type}`;
      const set = wanted.get(key) ?? { name, type: record.type, data: [] };
      set.data.push(record.data);
      wanted.set(key, set);
      continue;
    }
    if (record.data.length !== 0) return 'FORMERR';
    const there = record.type === recordType.ANY ? sets !== undefined : sets?.has(record.type) === true;
    if (record.class === recordClass.ANY && !there) return record.type === recordType.ANY ? 'NXDOMAIN' : 'NXRRSET';
    if (record.class === recordClass.NONE && there) return record.type === recordType.ANY ? 'YXDOMAIN' : 'YXRRSET';
    if (record.class !== recordClass.ANY && record.class !== recordClass.NONE) return 'FORMERR';
  }
  for (const { name, type, data } of wanted.values()) {
    const found = names.get(name)?.get(type)?.data ?? [];
    const same = found.length === data.length && found.every((each) => data.some((other) => other.equals(each)));
    if (!same) return 'NXRRSET';
  }
  return undefined;
}

/** RFC 2136 3.4.1, and addresses of the right length. */
function malformedUpdate(apex: string, updates: readonly ResourceRecord[]): RcodeName | undefined {
  for (const record of updates) {
    if (!isUnder(canonicalName(record.name), apex)) return 'NOTZONE';
    const deletesSets = record.class === recordClass.ANY;
    if (deletesSets) {
      if (record.ttl !== 0 || record.data.length !== 0) return 'FORMERR';
      if (isMetaType(record.type) && record.type !== recordType.ANY) return 'FORMERR';
      continue;
    }
    if (record.class !== recordClass.IN && record.class !== recordClass.NONE) return 'FORMERR';
    if (isMetaType(record.type)) return 'FORMERR';
    if (record.class === recordClass.NONE && record.ttl !== 0) return 'FORMERR';
    if (record.data.length !== (fixedLength[record.type] ?? record.data.length)) return 'FORMERR';
  }
  return undefined;
}

/** RFC 2136 3.4.2. The apex keeps its SOA and its last NS; the serial is ours alone. */
function applied(names: Names, apex: string, record: ResourceRecord): Names {
  const name = canonicalName(record.name);
  const sets = names.get(name);
  if (record.type === recordType.SOA) return names;
  if (record.class === recordClass.IN) {
    const alias = record.type === recordType.CNAME;
    if (
      sets !== undefined &&
      (alias ? [...sets.keys()].some((type) => type !== recordType.CNAME) : sets.has(recordType.CNAME))
    ) {
      return names;
    }
    return withRecord(alias ? withSet(names, name, record.type, undefined) : names, record);
  }
  if (sets === undefined) return names;
  if (record.class === recordClass.ANY) {
    const kept = (type: number) => name === apex && (type === recordType.SOA || type === recordType.NS);
    const types = record.type === recordType.ANY ? [...sets.keys()] : sets.has(record.type) ? [record.type] : [];
    return types.filter((type) => !kept(type)).reduce((all, type) => withSet(all, name, type, undefined), names);
  }
  const set = sets.get(record.type);
  if (set === undefined) return names;
  const data = set.data.filter((each) => !each.equals(record.data));
  if (data.length === set.data.length) return names;
  if (data.length === 0 && name === apex && record.type === recordType.NS) return names;
  return withSet(names, name, record.type, { ...set, data });
}

function withNextSerial(names: Names, apex: string): Names {
  const set = names.get(apex)?.get(recordType.SOA);
  const [data] = set?.data ?? [];
  if (set === undefined || data === undefined) return names;
  const next = Buffer.from(data);
  const at = data.length - 20;
  next.writeUInt32BE((data.readUInt32BE(at) + 1) % serialSpace, at);
  return withSet(names, apex, recordType.SOA, { ...set, data: [next] });
}
