import { describe, expect, test } from '@jest/globals';
import { addressData, addressOf, recordClass, recordType, textData } from '../../../src/providers/dns/record.ts';
import { masterFile, parseMasterFile, zoneRecords } from '../../../src/providers/dns/start-records.ts';
import { deleteRrset, nameNotInUse, noRrset } from '../../../src/providers/dns/update-records.ts';
import { createZone } from '../../../src/providers/dns/zone.ts';
import type { ResourceRecord } from '../../../src/providers/dns/record.ts';

const start = zoneRecords('vm.example', [
  { name: 'shop.vm.example', type: 'A', ttlSeconds: 5, value: '10.0.0.1' },
  { name: 'deep.er.vm.example', type: 'A', ttlSeconds: 5, value: '10.0.0.2' },
  { name: '*.wild.vm.example', type: 'A', ttlSeconds: 5, value: '10.0.0.3' },
  { name: 'alias.vm.example', type: 'CNAME', ttlSeconds: 5, value: 'shop.vm.example' },
  { name: 'loop.vm.example', type: 'CNAME', ttlSeconds: 5, value: 'loop.vm.example' },
]);

const add = (name: string, address: string): ResourceRecord => ({
  ...{ name, type: recordType.A, class: recordClass.IN, ttl: 5 },
  data: addressData(recordType.A, address),
});
const exists = (name: string, type: number): ResourceRecord => ({ ...deleteRrset(name, type), ttl: 0 });

function asked(zone: ReturnType<typeof createZone>, name: string, type: number = recordType.A): string {
  const { rcode, answers } = zone.lookup(name, type);
  const addresses = answers.filter((record) => record.type === recordType.A).map(addressOf);
  return [rcode, ...addresses].join(' ');
}

function serialOf(zone: ReturnType<typeof createZone>): number {
  const [soa] = zone.lookup('vm.example', recordType.SOA).answers;
  return soa === undefined ? -1 : soa.data.readUInt32BE(soa.data.length - 20);
}

describe('a zone in memory', () => {
  test.each([
    ['shop.vm.example', 'NOERROR 10.0.0.1'],
    ['SHOP.vm.Example.', 'NOERROR 10.0.0.1'],
    ['er.vm.example', 'NOERROR'],
    ['nothing.vm.example', 'NXDOMAIN'],
    ['any.wild.vm.example', 'NOERROR 10.0.0.3'],
    ['a.b.wild.vm.example', 'NOERROR 10.0.0.3'],
    ['wild.vm.example', 'NOERROR'],
    ['alias.vm.example', 'NOERROR 10.0.0.1'],
    ['www.elsewhere.example', 'REFUSED'],
  ])('asked for %s says %s', (name, answer) => {
    expect(asked(createZone('vm.example', start), name)).toBe(answer);
  });

  test('follows an alias of itself only so far', () => {
    expect(createZone('vm.example', start).lookup('loop.vm.example', recordType.A).rcode).toBe('NOERROR');
  });

  test('does not let a wildcard answer for a name beside it that exists with another type', () => {
    const zone = createZone('vm.example', start);
    const text = { ...add('b.wild.vm.example', '1.1.1.1'), type: recordType.TXT, data: textData('x') };
    expect(zone.update([], [text])).toBe('NOERROR');
    expect(asked(zone, 'b.wild.vm.example')).toBe('NOERROR');
    expect(asked(zone, 'c.wild.vm.example')).toBe('NOERROR 10.0.0.3');
  });

  test.each<[string, ResourceRecord, string]>([
    ['an RRset that exists', exists('shop.vm.example', recordType.A), 'NOERROR'],
    ['one that does not', exists('shop.vm.example', recordType.AAAA), 'NXRRSET'],
    ['a name in use', exists('shop.vm.example', recordType.ANY), 'NOERROR'],
    ['a name not in use', exists('none.vm.example', recordType.ANY), 'NXDOMAIN'],
    ['no such RRset', noRrset('shop.vm.example', recordType.AAAA), 'NOERROR'],
    ['no such RRset, but there is', noRrset('shop.vm.example', recordType.A), 'YXRRSET'],
    ['an unused name', nameNotInUse('none.vm.example'), 'NOERROR'],
    ['an unused name that only has names below it', nameNotInUse('er.vm.example'), 'NOERROR'],
    ['an unused name that is used', nameNotInUse('shop.vm.example'), 'YXDOMAIN'],
    ['an RRset of this value', { ...add('shop.vm.example', '10.0.0.1'), ttl: 0 }, 'NOERROR'],
    ['an RRset of another value', { ...add('shop.vm.example', '10.0.0.9'), ttl: 0 }, 'NXRRSET'],
    ['a prerequisite with a TTL', add('shop.vm.example', '10.0.0.1'), 'FORMERR'],
    ['a name of another zone', nameNotInUse('www.elsewhere.example'), 'NOTZONE'],
  ])('asked to make sure of %s says %s', (_, prerequisite, rcode) => {
    const zone = createZone('vm.example', start);
    expect(zone.update([prerequisite], [add('new.vm.example', '10.0.0.7')])).toBe(rcode);
    expect(asked(zone, 'new.vm.example')).toBe(rcode === 'NOERROR' ? 'NOERROR 10.0.0.7' : 'NXDOMAIN');
  });

  test('applies all of an update or nothing', () => {
    const zone = createZone('vm.example', start);
    expect(zone.update([], [add('new.vm.example', '10.0.0.7'), add('www.elsewhere.example', '10.0.0.8')])).toBe(
      'NOTZONE',
    );
    expect(asked(zone, 'new.vm.example')).toBe('NXDOMAIN');
    const short = { ...add('new.vm.example', '10.0.0.7'), data: Buffer.from([1, 2]) };
    expect(zone.update([], [add('new.vm.example', '10.0.0.7'), short])).toBe('FORMERR');
    expect(asked(zone, 'new.vm.example')).toBe('NXDOMAIN');
  });

  test('counts its serial up with every change and only then', () => {
    const zone = createZone('vm.example', start);
    const before = serialOf(zone);
    zone.update([], [deleteRrset('none.vm.example', recordType.A), add('shop.vm.example', '10.0.0.1')]);
    expect(serialOf(zone)).toBe(before);
    zone.update([], [deleteRrset('shop.vm.example', recordType.A), add('shop.vm.example', '10.0.0.2')]);
    expect(serialOf(zone)).toBe(before + 1);
    expect(asked(zone, 'shop.vm.example')).toBe('NOERROR 10.0.0.2');
  });

  test('keeps its SOA and NS, and lets no address stand beside an alias', () => {
    const zone = createZone('vm.example', start);
    zone.update([], [deleteRrset('vm.example', recordType.ANY), add('alias.vm.example', '10.0.0.9')]);
    expect(zone.lookup('vm.example', recordType.SOA).answers).toHaveLength(1);
    expect(zone.lookup('vm.example', recordType.NS).answers).toHaveLength(1);
    expect(asked(zone, 'alias.vm.example')).toBe('NOERROR 10.0.0.1');
  });

  test('is the same after a way through its file', () => {
    const zone = createZone('vm.example', parseMasterFile(masterFile(createZone('vm.example', start).records())));
    expect(asked(zone, 'any.wild.vm.example')).toBe('NOERROR 10.0.0.3');
    expect(zone.records()).toEqual(createZone('vm.example', start).records());
    expect(() => parseMasterFile('vm.example. 5 IN TYPE1 \\# 4 0a00\n')).toThrow('line 1 of the zone is broken');
  });
});
