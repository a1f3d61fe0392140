import { canonicalName, encodeName } from './name.ts';
import { addressData, recordClass, recordType, textData } from './record.ts';
import type { ResourceRecord } from './record.ts';

/** A record a zone of the demonstration or of a test begins with; `name` is absolute, without the final dot. */
export type StartRecord = {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'TXT' | 'CNAME' | 'HTTPS';
  readonly ttlSeconds: number;
  /** An address, a text, a name; for HTTPS only the generic form: hexadecimal bytes. */
  readonly value: string;
};

function dataOf(record: StartRecord): Buffer {
  switch (record.type) {
    case 'A':
      return addressData(recordType.A, record.value);
    case 'AAAA':
      return addressData(recordType.AAAA, record.value);
    case 'TXT':
      return textData(record.value);
    case 'CNAME':
      return encodeName(canonicalName(record.value));
    case 'HTTPS':
      return Buffer.from(record.value, 'hex');
  }
}

function apexData(zone: string): { readonly soa: Buffer; readonly ns: Buffer; readonly nsName: string } {
  const nsName = `ns1.${zone}`;
  const numbers = Buffer.alloc(20);
  // serial, refresh, retry, expire, negative TTL: small ones, so that a name that appears is seen soon.
  [1, 3_600, 600, 604_800, 5].forEach((value, i) => numbers.writeUInt32BE(value, i * 4));
  const soa = Buffer.concat([encodeName(nsName), encodeName(`hostmaster.${zone}`), numbers]);
  return { soa, ns: encodeName(nsName), nsName };
}

/** A whole zone as records: SOA, NS with its address, and what is given. */
export function zoneRecords(zone: string, records: readonly StartRecord[]): ResourceRecord[] {
  const { soa, ns, nsName } = apexData(zone);
  const record = (name: string, type: number, ttl: number, data: Buffer): ResourceRecord => ({
    name: canonicalName(name),
    type,
    class: recordClass.IN,
    ttl,
    data,
  });
  return [
    record(zone, recordType.SOA, 3_600, soa),
    record(zone, recordType.NS, 3_600, ns),
    record(nsName, recordType.A, 3_600, addressData(recordType.A, '127.0.0.1')),
    ...records.map((each) => record(each.name, recordType[each.type], each.ttlSeconds, dataOf(each))),
  ];
}

/** Records as a master file (RFC 1035 5); the data in the generic form of RFC 3597, which needs no quoting. */
export function masterFile(records: readonly ResourceRecord[]): string {
  const lines = records.map((record) => {
    const generic = `\\# ${record.data.length} ${record.data.toString('hex')}`;
    return `${record.name}. ${record.ttl} IN TYPE${record.type} ${generic}`;
  });
  return `${lines.join('\n')}\n`;
}

/** Reads what `masterFile` has written, not master files in general. @throws Error naming the line */
export function parseMasterFile(text: string): ResourceRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => {
      const match = /^(\S*)\. (\d+) IN TYPE(\d+) \\# (\d+) ([0-9a-f]*)$/.exec(line);
      const data = Buffer.from(match?.[5] ?? '', 'hex');
      if (match === null || data.length !== Number(match[4])) throw new Error(`line ${i + 1} of the zone is broken`);
      const [, name = '', ttl, type] = match;
      return { name, type: Number(type), class: recordClass.IN, ttl: Number(ttl), data };
    });
}
