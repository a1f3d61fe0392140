import { canonicalName, MalformedMessage, readName } from './name.ts';
import { addressData, recordType } from './record.ts';
import { deleteRrset } from './update-records.ts';
import type { ResourceRecord } from './record.ts';
import type { Answers } from './update-records.ts';

/** SvcParamKeys of RFC 9460 14.3.2: addresses that browsers may use before they ask for A and AAAA. */
const ipv4Hint = 4;
const ipv6Hint = 6;

/**
 * The data of an HTTPS record with its hints naming the new addresses; the same data when it has none of ours.
 * A hint for a target outside our names speaks of somebody else's addresses.
 */
export function withHints(data: Buffer, names: readonly string[], answers: Answers): Buffer {
  if (data.length < 3) return data;
  const { name: target, next } = readName(data, 2);
  if (target !== '' && !names.includes(canonicalName(target))) return data;
  const parts = [data.subarray(0, next)];
  for (let at = next; at < data.length;) {
    if (at + 4 > data.length) throw new MalformedMessage('an HTTPS parameter is cut short');
    const end = at + 4 + data.readUInt16BE(at + 2);
    if (end > data.length) throw new MalformedMessage('an HTTPS parameter runs over the end');
    parts.push(withHint(data.subarray(at, end), answers));
    at = end;
  }
  return Buffer.concat(parts);
}

function withHint(parameter: Buffer, answers: Answers): Buffer {
  const key = parameter.readUInt16BE(0);
  if (key !== ipv4Hint && key !== ipv6Hint) return parameter;
  const addresses =
    key === ipv4Hint
      ? answers.a.map((address) => addressData(recordType.A, address))
      : answers.aaaa.map((address) => addressData(recordType.AAAA, address));
  // An empty hint is not allowed: it goes.
  if (addresses.length === 0) return Buffer.alloc(0);
  const value = Buffer.concat(addresses);
  const head = Buffer.from(parameter.subarray(0, 4));
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value]);
}

/**
 * What must be sent along with an update so that HTTPS records do not keep leading to the old addresses: the records as
 * they were read become a prerequisite, and are replaced. Nothing when no hint changes.
 */
export function hintChanges(
  found: readonly ResourceRecord[],
  names: readonly string[],
  answers: Answers,
): { readonly prerequisites: ResourceRecord[]; readonly updates: ResourceRecord[] } {
  const changed = found.map((record) => ({ ...record, data: withHints(record.data, names, answers) }));
  const [first] = found;
  if (first === undefined || changed.every((record, i) => record.data.equals(found[i]!.data))) {
    return { prerequisites: [], updates: [] };
  }
  return {
    prerequisites: found.map((record) => ({ ...record, ttl: 0 })),
    updates: [deleteRrset(first.name, recordType.HTTPS), ...changed],
  };
}
