import type { PoolNode } from './pool.ts';

/** A column of numbers in 16 bits each between its least and largest, as base64: a sixth of the same numbers in JSON. */
export type Packed = { readonly low: number; readonly high: number; readonly data: string };

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const codes = new Uint8Array(128);
for (let index = 0; index < 64; index += 1) codes[alphabet.charCodeAt(index)] = index;

/** Three characters hold 18 bits, of which 16 are used. Precision: a 65,535th of the range. */
export function pack(values: readonly number[]): Packed {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (values.length === 0) return { low: 0, high: 0, data: '' };
  const range = high - low || 1;
  const parts: string[] = [];
  for (const value of values) {
    const code = Math.round(((value - low) / range) * 65_535);
    parts.push(alphabet[code >> 12]! + alphabet[(code >> 6) & 63]! + alphabet[code & 63]!);
  }
  return { low, high, data: parts.join('') };
}

export function unpack({ low, high, data }: Packed): number[] {
  const range = high - low || 1;
  const values = new Array<number>(data.length / 3);
  for (let index = 0; index < values.length; index += 1) {
    const at = index * 3;
    const code =
      (codes[data.charCodeAt(at)]! << 12) | (codes[data.charCodeAt(at + 1)]! << 6) | codes[data.charCodeAt(at + 2)]!;
    values[index] = low + (code / 65_535) * range;
  }
  return values;
}

/** A pool node as it is stored. `at` is exact: the first target and the distances. */
export type PackedPoolNode = {
  readonly first: number;
  readonly steps: Packed;
  readonly actual: Packed;
  readonly members: readonly Packed[];
  readonly volatility: Packed;
  readonly short: Packed;
  readonly day: Packed;
};

export function packPool(node: PoolNode): PackedPoolNode {
  const first = node.at[0] ?? 0;
  return {
    first,
    // Offsets from the first are whole numbers below 65,536, and the range is fixed so that they stay exact.
    steps: { ...pack([0, 65_535, ...node.at.map((at) => at - first)]), low: 0, high: 65_535 },
    actual: pack(node.actual),
    members: node.members.map(pack),
    volatility: pack(node.volatility),
    short: pack(node.short),
    day: pack(node.day),
  };
}

export function unpackPool(packed: PackedPoolNode): PoolNode {
  return {
    at: unpack(packed.steps)
      .slice(2)
      .map((offset) => packed.first + Math.round(offset)),
    actual: unpack(packed.actual),
    members: packed.members.map(unpack),
    volatility: unpack(packed.volatility),
    short: unpack(packed.short),
    day: unpack(packed.day),
  };
}
