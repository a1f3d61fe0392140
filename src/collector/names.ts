import { domainToASCII } from 'node:url';

/** A hosted VM as the collector needs it. */
export type RegisteredName = {
  readonly hostedVmId: string;
  /** Without regard to case or a final dot, IDNA or Unicode; a first label `*` is a wildcard. */
  readonly names: readonly string[];
  /** How long resolvers keep an answer: width of the duplicate window. */
  readonly ttlSeconds: number;
};

/** Calls the listener with all hosted VMs at once and after each change of the inventory. @returns unsubscribe */
export type NameSource = (listener: (vms: readonly RegisteredName[]) => void) => () => void;

const lower = new Uint8Array(256).map((_, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte));

/** FNV-1a's prime: one multiplication a byte. */
const prime = 0x01000193;
const basis = 0x811c9dc5 | 0;

/**
 * Encodes a name as on the wire, lower case, with a final root label.
 * @throws Error that names the label that cannot be a DNS label
 */
export function wireName(name: string): Uint8Array {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  const ascii = /^[\x21-\x7e]*$/.test(bare) ? bare.toLowerCase() : domainToASCII(bare);
  const labels = ascii.split('.');
  const complaint = labels.some((label) => label.length === 0 || label.length > 63);
  if (complaint || ascii.length > 253) throw new Error(`"${name}" is not a DNS name: labels have 1 to 63 characters`);
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ]);
}

/**
 * Finds the hosted VM of a name on the wire: exact names first, then the longest wildcard (RFC 4592, by registered
 * names only). Lookup never inserts, so a flood of random names costs no memory.
 */
export class NameTable {
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #owners: Int32Array;
  readonly #offsets: Int32Array;
  readonly #arena: Buffer;
  /** `wildcardDepths[n]`: a wildcard stands above names whose remaining suffix has n labels. */
  readonly #wildcardDepths = new Uint8Array(128);
  readonly #exactDepths = new Uint8Array(128);
  readonly #hasWildcards: boolean;
  /** Names registered by two hosted VMs or not encodable: left out, and said. */
  readonly complaints: readonly string[];
  readonly size: number;

  /** @param slotOf the number of a hosted VM, by which the collector counts */
  constructor(vms: readonly RegisteredName[], slotOf: (hostedVmId: string) => number) {
    const complaints: string[] = [];
    const entries = new Map<string, { readonly wire: Buffer; readonly owner: number; readonly vm: string }>();
    for (const vm of vms) {
      for (const name of vm.names) {
        try {
          const wire = Buffer.from(name.startsWith('*.') ? wildcardKey(name.slice(2)) : wireName(name));
          const key = wire.toString('latin1');
          const other = entries.get(key);
          if (other !== undefined && other.vm !== vm.hostedVmId) {
            complaints.push(`${name} is registered by ${other.vm} and ${vm.hostedVmId}; ${other.vm} keeps it`);
          } else entries.set(key, { wire, owner: slotOf(vm.hostedVmId), vm: vm.hostedVmId });
        } catch (error) {
          complaints.push(`${vm.hostedVmId}: ${(error as Error).message}`);
        }
      }
    }
    this.complaints = complaints;
    this.size = entries.size;
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(8, entries.size * 3)));
    this.#mask = capacity - 1;
    this.#slots = new Int32Array(capacity).fill(-1);
    this.#owners = new Int32Array(entries.size);
    this.#offsets = new Int32Array(entries.size + 1);
    this.#arena = Buffer.concat([...entries.values()].map(({ wire }) => wire));
    let offset = 0;
    let index = 0;
    let wildcards = false;
    for (const { wire, owner } of entries.values()) {
      this.#owners[index] = owner;
      this.#offsets[index] = offset;
      offset += wire.length;
      this.#offsets[index + 1] = offset;
      const isWildcard = wire[0] === 0;
      wildcards ||= isWildcard;
      const depth = labelsOf(wire, isWildcard ? 1 : 0);
      (isWildcard ? this.#wildcardDepths : this.#exactDepths)[depth] = 1;
      let slot = hashOf(wire, 0, wire.length, basis) & this.#mask;
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = index;
      index += 1;
    }
    this.#hasWildcards = wildcards;
  }

  /**
   * @param start where the name's first label length is
   * @param end one past its root label
   * @returns the number of the hosted VM, or -1
   */
  find(bytes: Buffer, start: number, end: number): number {
    let hash = basis;
    for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ lower[bytes[at]!]!, prime);
    const found = this.#probe(mixed(hash), bytes, start, end, 0);
    return found >= 0 || !this.#hasWildcards ? found : this.#findWildcard(bytes, start, end);
  }

  #findWildcard(bytes: Buffer, start: number, end: number): number {
    let depth = labelsOf(bytes, start) - 1;
    // The name of the wildcard itself (`*.shop.example`) is matched as any other name below it.
    for (let at = start + 1 + bytes[start]!; at < end; at += 1 + bytes[at]!, depth -= 1) {
      if (this.#wildcardDepths[depth] === 1) {
        const owner = this.#below(bytes, at, end);
        if (owner >= 0) return owner;
      }
      // A registered name on the way stands between the names below it and the wildcards above it.
      if (this.#exactDepths[depth] === 1 && this.#probe(hashOf(bytes, at, end, basis), bytes, at, end, 0) >= 0)
        return -1;
    }
    return -1;
  }

  #below(bytes: Buffer, at: number, end: number): number {
    // A wildcard is stored as a zero byte and its parent: no name on the wire starts so.
    let hash = Math.imul(basis ^ 0, prime);
    for (let i = at; i < end; i += 1) hash = Math.imul(hash ^ lower[bytes[i]!]!, prime);
    return this.#probe(mixed(hash), bytes, at, end, 1);
  }

  #probe(hash: number, bytes: Buffer, start: number, end: number, prefix: number): number {
    const length = end - start + prefix;
    let slot = hash & this.#mask;
    for (;;) {
      const index = this.#slots[slot]!;
      if (index < 0) return -1;
      const offset = this.#offsets[index]!;
      if (this.#offsets[index + 1]! - offset === length && this.#same(offset, bytes, start, end, prefix)) {
        return this.#owners[index]!;
      }
      slot = (slot + 1) & this.#mask;
    }
  }

  #same(offset: number, bytes: Buffer, start: number, end: number, prefix: number): boolean {
    const arena = this.#arena;
    if (prefix === 1 && arena[offset] !== 0) return false;
    for (let at = start, own = offset + prefix; at < end; at += 1, own += 1) {
      if (arena[own] !== lower[bytes[at]!]) return false;
    }
    return true;
  }
}

function wildcardKey(parent: string): Uint8Array {
  return Buffer.concat([Buffer.from([0]), wireName(parent)]);
}

function labelsOf(bytes: Uint8Array, start: number): number {
  let labels = 0;
  for (let at = start; bytes[at]! > 0; at += 1 + bytes[at]!) labels += 1;
  return labels;
}

function hashOf(bytes: Uint8Array, start: number, end: number, from: number): number {
  let hash = from;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ lower[bytes[at]!]!, prime);
  return mixed(hash);
}

/** FNV's low bits are weak for short names that differ in their first characters. */
function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
