import { isIP, isIPv4 } from 'node:net';

/** Dotted IPv4 as a number, for ranges. */
export function addressNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export type AddressRange = { readonly from: string; readonly to: string; readonly prefix: number };

/** `10.0.0.100-10.0.0.149/24`, or with the last octet only: `10.0.0.100-149/24`. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const match = /^([\d.]+)\s*-\s*([\d.]+)\/(\d{1,2})$/.exec(text.trim());
  if (match === null) return undefined;
  const [, from = '', last = '', prefix] = match;
  const to = last.includes('.') ? last : `${from.split('.').slice(0, 3).join('.')}.${last}`;
  return isIPv4(from) && isIPv4(to) ? { from, to, prefix: Number(prefix) } : undefined;
}

/** Whether both ends lie in one network of this prefix. */
export function isOneNetwork(from: string, to: string, prefix: number): boolean {
  const size = 2 ** (32 - prefix);
  return Math.floor(addressNumber(from) / size) === Math.floor(addressNumber(to) / size);
}

export function isInRange(address: string, range: { readonly from: string; readonly to: string }): boolean {
  const number = addressNumber(address);
  return isIPv4(address) && number >= addressNumber(range.from) && number <= addressNumber(range.to);
}

/** `host`, `host:port` or `[v6]:port`; @returns `host:port` with the port filled in */
export function parseHostPort(text: string, defaultPort: number): string | undefined {
  if (isIP(text) === 6) return `[${text}]:${defaultPort}`;
  const match = /^(\[[0-9a-fA-F:]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?$/.exec(text.trim());
  if (match === null) return undefined;
  const host = match[1] ?? '';
  const port = match[2] === undefined ? defaultPort : Number(match[2]);
  if (port > 65_535) return undefined;
  if (host.startsWith('[') ? isIP(host.slice(1, -1)) !== 6 : !/^[A-Za-z0-9_]([\w.-]*[A-Za-z0-9_])?$/.test(host)) {
    return undefined;
  }
  return `${host}:${port}`;
}

/** The two halves of what `parseHostPort` gives. */
export function splitHostPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
