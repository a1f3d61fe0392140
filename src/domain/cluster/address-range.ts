/** `10.0.0.11` as a number; undefined for what is not a dotted IPv4 address. */
export function ipv4Number(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Both ends included; 0 when the range cannot be read or runs backwards. */
export function rangeSize(range: { readonly from: string; readonly to: string }): number {
  const from = ipv4Number(range.from);
  const to = ipv4Number(range.to);
  return from === undefined || to === undefined ? 0 : Math.max(0, to - from + 1);
}

export function inRange(range: { readonly from: string; readonly to: string }, address: string): boolean {
  const value = ipv4Number(address);
  const from = ipv4Number(range.from);
  const to = ipv4Number(range.to);
  return value !== undefined && from !== undefined && to !== undefined && value >= from && value <= to;
}

/**
 * The next free number of a range, going round from the one given out last, so that a freed number rests as long as
 * the range allows.
 * @param last the number given out last; undefined at the beginning
 */
export function nextFree(
  range: { readonly from: number; readonly to: number },
  last: number | undefined,
  isFree: (value: number) => boolean,
): number | undefined {
  const size = range.to - range.from + 1;
  const start = last === undefined || last < range.from || last >= range.to ? range.from : last + 1;
  for (let n = 0; n < size; n += 1) {
    const value = range.from + ((start - range.from + n) % size);
    if (isFree(value)) return value;
  }
  return undefined;
}
