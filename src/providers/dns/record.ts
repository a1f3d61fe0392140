import { isIPv4, isIPv6 } from 'node:net';
import { encodeName, MalformedMessage, readName } from './name.ts';

export const recordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  HTTPS: 65,
  TSIG: 250,
  AXFR: 252,
  ANY: 255,
} as const;

/** `NONE` and `ANY` carry the meaning of UPDATE's prerequisites and deletions (RFC 2136 2.4, 2.5). */
export const recordClass = { IN: 1, NONE: 254, ANY: 255 } as const;

/** One resource record. `data` may be empty in an UPDATE; names inside it are never compressed, so equal data has equal bytes. */
export type ResourceRecord = {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Buffer;
};

/** How many bytes stand before the names in the data of a type whose names may be compressed, and how many names follow. */
const namesInData: Readonly<Record<number, { readonly skip: number; readonly names: number }>> = {
  [recordType.NS]: { skip: 0, names: 1 },
  [recordType.CNAME]: { skip: 0, names: 1 },
  [recordType.PTR]: { skip: 0, names: 1 },
  [recordType.MX]: { skip: 2, names: 1 },
  [recordType.SRV]: { skip: 6, names: 1 },
  [recordType.SOA]: { skip: 0, names: 2 },
};

/** The data of a record with its names decompressed. */
function expandData(bytes: Buffer, type: number, start: number, end: number): Buffer {
  const shape = namesInData[type];
  if (shape === undefined || start === end) return Buffer.from(bytes.subarray(start, end));
  let at = start + shape.skip;
  const parts = [bytes.subarray(start, Math.min(at, end))];
  for (let i = 0; i < shape.names; i += 1) {
    const { name, next } = readName(bytes, at);
    if (next > end) throw new MalformedMessage('a name runs over the end of its record');
    parts.push(encodeName(name));
    at = next;
  }
  parts.push(bytes.subarray(at, end));
  return Buffer.concat(parts);
}

export function readRecord(bytes: Buffer, start: number): { readonly record: ResourceRecord; readonly next: number } {
  const { name, next: at } = readName(bytes, start);
  if (at + 10 > bytes.length) throw new MalformedMessage('a record runs over the end');
  const type = bytes.readUInt16BE(at);
  const next = at + 10 + bytes.readUInt16BE(at + 8);
  if (next > bytes.length) throw new MalformedMessage("a record's data runs over the end");
  const record = {
    name,
    type,
    class: bytes.readUInt16BE(at + 2),
    ttl: bytes.readUInt32BE(at + 4),
    data: expandData(bytes, type, at + 10, next),
  };
  return { record, next };
}

export function encodeRecord(record: ResourceRecord): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(record.type, 0);
  fixed.writeUInt16BE(record.class, 2);
  fixed.writeUInt32BE(record.ttl, 4);
  fixed.writeUInt16BE(record.data.length, 8);
  return Buffer.concat([encodeName(record.name), fixed, record.data]);
}

/** The 16 bytes of an IPv6 address in text. */
function ipv6Bytes(address: string): Buffer {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text = dotted
    ? `${dotted[1]}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`
    : address;
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const bytes = Buffer.alloc(16);
  [...before, ...zeros, ...after].forEach((group, i) => bytes.writeUInt16BE(parseInt(group, 16), i * 2));
  return bytes;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  const longest = [...groups.join(':').matchAll(/\b0(?::0)+\b/g)].reduce<RegExpMatchArray | undefined>(
    (best, run) => (best !== undefined && best[0].length >= run[0].length ? best : run),
    undefined,
  );
  if (longest === undefined) return groups.join(':');
  const text = groups.join(':');
  const at = longest.index ?? 0;
  const before = text.slice(0, at).replace(/:$/, '');
  const after = text.slice(at + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** The data of an A or AAAA record. @throws RangeError when the text is no address of that family */
export function addressData(type: 1 | 28, address: string): Buffer {
  if (type === recordType.A) {
    if (!isIPv4(address)) throw new RangeError(`"${address}" is not an IPv4 address`);
    return Buffer.from(address.split('.').map(Number));
  }
  if (!isIPv6(address) || address.includes('%')) throw new RangeError(`"${address}" is not an IPv6 address`);
  return ipv6Bytes(address);
}

/** The address in an A or AAAA record, in its canonical spelling. */
export function addressOf(record: ResourceRecord): string {
  const length = record.type === recordType.A ? 4 : 16;
  if (record.data.length !== length) throw new MalformedMessage('an address has the wrong length');
  return record.type === recordType.A ? [...record.data].join('.') : ipv6Text(record.data);
}

/** TXT data: the text cut into strings of at most 255 bytes. */
export function textData(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (let at = 0; at < Math.max(bytes.length, 1); at += 255) {
    const piece = bytes.subarray(at, at + 255);
    parts.push(Buffer.from([piece.length]), piece);
  }
  return Buffer.concat(parts);
}

/** The strings of a TXT record, joined. */
export function textOf(record: ResourceRecord): string {
  const parts: Buffer[] = [];
  for (let at = 0; at < record.data.length;) {
    const size = record.data.readUInt8(at);
    if (at + 1 + size > record.data.length) throw new MalformedMessage('a text runs over the end of its record');
    parts.push(record.data.subarray(at + 1, at + 1 + size));
    at += 1 + size;
  }
  return Buffer.concat(parts).toString('utf8');
}
