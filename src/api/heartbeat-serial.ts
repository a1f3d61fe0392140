import { createHmac, timingSafeEqual } from 'node:crypto';
import type { InstanceId } from '../domain/instance.ts';

/** `shop/1:TOKEN`: rides in the SMBIOS serial of the guest, which sends it back as its bearer token. */
export function heartbeatSerial(secret: Buffer, instance: InstanceId): string {
  return `${instance}:${tokenOf(secret, instance)}`;
}

/** @returns whose serial it is, or undefined when the token is not the one made for that instance */
export function instanceOfSerial(secret: Buffer, serial: string): InstanceId | undefined {
  const colon = serial.lastIndexOf(':');
  const instance = serial.slice(0, colon);
  if (!/^[a-z0-9-]{1,40}\/\d{1,9}$/.test(instance)) return undefined;
  const given = Buffer.from(serial.slice(colon + 1));
  const right = Buffer.from(tokenOf(secret, instance));
  return given.length === right.length && timingSafeEqual(given, right) ? instance : undefined;
}

function tokenOf(secret: Buffer, instance: InstanceId): string {
  return createHmac('sha256', secret).update(instance).digest('base64url');
}
