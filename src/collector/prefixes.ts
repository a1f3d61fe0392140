import { isIP } from 'node:net';

/** A set of address prefixes, asked with raw bytes of an address. */
export type Prefixes = { readonly size: number; has(bytes: Uint8Array, start: number, end: number): boolean };

/** @throws Error that names the text that is no prefix such as `192.0.2.0/24` or `2001:db8::/32` */
export function prefixesOf(texts: readonly string[]): Prefixes {
  const prefixes = texts.map((text) => {
    const [address = '', length] = text.split('/');
    const raw = addressBytes(address);
    const bits = length === undefined ? (raw?.length ?? 0) * 8 : Number(length);
    if (raw === undefined || !Number.isInteger(bits) || bits < 0 || bits > raw.length * 8) {
      throw new Error(`"${text}" is not an address prefix such as 192.0.2.0/24`);
    }
    return { raw, bits };
  });
  return {
    size: prefixes.length,
    has: (bytes, start, end) =>
      prefixes.some(({ raw, bits }) => end - start === raw.length && samePrefix(bytes, start, raw, bits)),
  };
}

function samePrefix(bytes: Uint8Array, start: number, raw: Uint8Array, bits: number): boolean {
  for (let bit = 0; bit < bits; bit += 8) {
    const width = Math.min(8, bits - bit);
    const mask = (0xff << (8 - width)) & 0xff;
    if (((bytes[start + bit / 8]! ^ raw[bit / 8]!) & mask) !== 0) return false;
  }
  return true;
}

/** @returns 4 or 16 bytes, or undefined when the text is no address */
export function addressBytes(text: string): Uint8Array | undefined {
  const version = isIP(text);
  if (version === 4) return Uint8Array.from(text.split('.').map(Number));
  if (version !== 6) return undefined;
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').flatMap(groupBytes));
  const front = groups(head);
  const back = groups(tail ?? '');
  return Uint8Array.from([...front, ...new Array<number>(16 - front.length - back.length).fill(0), ...back]);
}

function groupBytes(group: string): number[] {
  if (group.includes('.')) return group.split('.').map(Number);
  const value = parseInt(group, 16);
  return [value >> 8, value & 0xff];
}
