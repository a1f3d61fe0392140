import { randomBytes, randomUUID } from 'node:crypto';

/** A unicast address with Proxmox's prefix, or the one the datacenter asks for. */
export function newMac(prefix = 'BC:24:11'): string {
  const given = prefix.split(':');
  const rest = [...randomBytes(6 - given.length)].map((byte) => byte.toString(16).padStart(2, '0'));
  return [...given, ...rest].join(':').toUpperCase();
}

export const newUuid = (): string => randomUUID();
