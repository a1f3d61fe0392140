/** What the collector reads of a DNS response, in place. Source: RFC 1035 4.1, RFC 6891 (OPT), RFC 7871 (client subnet). */

export const headerBytes = 12;
const maxNameBytes = 255;
const optType = 41;
const clientSubnetOption = 8;

/** @returns one past the root label of an uncompressed name at `at`, or -1 */
export function nameEnd(bytes: Buffer, at: number, end: number): number {
  const limit = Math.min(end, at + maxNameBytes);
  while (at < limit) {
    const length = bytes[at]!;
    if (length === 0) return at + 1;
    // The question comes first: there is nothing yet that a compression pointer could mean.
    if (length > 63) return -1;
    at += 1 + length;
  }
  return -1;
}

function skipName(bytes: Buffer, at: number, end: number): number {
  while (at < end) {
    const length = bytes[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= end ? at + 2 : -1;
    if (length > 63) return -1;
    at += 1 + length;
  }
  return -1;
}

/** Records beyond this are not looked at: an answer of ours has a handful. */
const maxRecords = 64;

/**
 * The client subnet a response was made for.
 * @param at one past the question
 * @returns where the option's data begins (family, two prefix lengths, address), or -1
 */
export function clientSubnet(bytes: Buffer, start: number, at: number, end: number): number {
  const before = u16(bytes, start + 6) + u16(bytes, start + 8);
  const records = before + u16(bytes, start + 10);
  if (records > maxRecords) return -1;
  for (let i = 0; i < records; i += 1) {
    at = skipName(bytes, at, end);
    if (at < 0 || end - at < 10) return -1;
    const type = u16(bytes, at);
    const length = u16(bytes, at + 8);
    at += 10;
    if (length > end - at) return -1;
    if (type === optType && i >= before) return subnetIn(bytes, at, at + length);
    at += length;
  }
  return -1;
}

function subnetIn(bytes: Buffer, at: number, end: number): number {
  while (end - at >= 4) {
    const code = u16(bytes, at);
    const length = u16(bytes, at + 2);
    at += 4;
    if (length > end - at) return -1;
    if (code === clientSubnetOption) return length >= 4 ? at : -1;
    at += length;
  }
  return -1;
}

export function u16(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
