import { describe, expect, test } from '@jest/globals';
import { like, must, oneOf, pattern, text, whole } from '../../../src/sim/api/parameter-words.ts';
import { verify } from '../../../src/sim/api/parameters.ts';
import type { Parameter, Value } from '../../../src/sim/api/parameters.ts';
import { Refusal } from '../../../src/sim/api/refusal.ts';
import { isConsistent, parseDrive } from '../../../src/sim/cluster/drive.ts';

/** What is said to one value of one parameter; nothing when it is taken. */
function refusalOf(parameter: Parameter, value: Value | undefined): string | undefined {
  try {
    verify({ p: parameter }, value === undefined ? {} : { p: value });
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error.errors?.['p'];
    throw error;
  }
}
const inProperty = (text: string): string => `invalid format - format error\np.${text}\n`;

const refusals: readonly [string, Parameter, Value | undefined, string][] = [
  ['an IPv4 address', like('ipv4'), '10.0.0', 'invalid format - value does not look like a valid IPv4 address\n'],
  ['an IPv6 address', like('ipv6'), 'fd00::x', 'invalid format - value does not look like a valid IPv6 address\n'],
  ['a size', like('disk-size'), '1X', 'invalid format - value does not look like a valid disk size: 1X\n'],
  ['a bridge', like('pve-bridge-id'), 'vm br', "invalid format - invalid bridge ID 'vm br'\n"],
  [
    'an order of start',
    like('pve-startup-order'),
    'order=1, up=2',
    'invalid format - unable to parse startup options\n',
  ],
  [
    'a map of storages',
    like('storage-pair-list'),
    'tank:!x',
    "invalid format - entry 'tank:!x' contains invalid ID - storage ID '!x' contains illegal characters\n\n\n",
  ],
  [
    'a CD that is no volume',
    like('pve-qm-ide'),
    'nope',
    inProperty("file: invalid format - unable to parse volume ID 'nope'\n"),
  ],
  [
    'a gateway without its address',
    like('pve-qm-ipconfig'),
    'gw=10.0.0.1',
    inProperty("ip: missing property - 'p.gw' requires this property"),
  ],
  ['a list in the place of a text', text, ['a', 'b'], "type check ('string') failed - got ARRAY"],
  ['a truth in the place of a number', whole(), true, "type check ('integer') failed - got JSON::PP::Boolean"],
  ['an object in the place of a text', text, { a: 1 } as unknown as Value, "type check ('string') failed - got HASH"],
  ['nothing in the place of a list', { type: 'array', items: text }, '', "type check ('array') failed"],
  ['a pattern', pattern('a+'), 'b', 'value does not match the regex pattern'],
  ['a word', oneOf('a', 'b'), 'c', "value 'c' does not have a value in the enumeration 'a, b'"],
  ['what is missing', must(text), undefined, 'property is missing and it is not optional'],
];

test.each(refusals)('says what is wrong with %s', (_, parameter, value, why) => {
  expect(refusalOf(parameter, value)).toBe(why);
});

describe('forms know no lists', () => {
  test('a key given twice is a text with commas where a list is meant', () => {
    expect(verify({ p: like('pve-vmid-list') }, { p: ['100', '101'] })).toEqual({ p: '100,101' });
    expect(refusalOf(like('pve-vmid-list'), ['100', '9'])).toBe(
      'invalid format - value does not look like a valid VM ID\n',
    );
  });

  test('a single value is a list of one, whose items are looked at', () => {
    const vmids: Parameter = { type: 'array', items: { ...like('pve-vmid'), type: 'integer' } };
    expect(verify({ p: vmids }, { p: '100' })).toEqual({ p: ['100'] });
    expect(() => verify({ p: vmids }, { p: 'x' })).toThrow(
      expect.objectContaining({ errors: { 'p[0]': "type check ('integer') failed - got 'x'" } }),
    );
  });
});

test.each([
  ['scsi0', 'tank:1,mbps=5,mbps_max=9', true],
  ['scsi0', 'tank:1,mbps_max=9', false],
  ['scsi0', 'tank:1,iops=5,iops_rd=3', false],
  ['ide2', 'none,media=cdrom', true],
  ['ide2', 'tank:1,media=cdrom,format=raw', false],
  ['virtio0', 'none,media=cdrom', false],
])('whether the options of a drive go together: %s %s', (slot, value, expected) => {
  expect(isConsistent(parseDrive(slot, value)!)).toBe(expected);
});

test('a limit in bytes is kept in megabytes', () => {
  expect(parseDrive('scsi0', 'tank:1,bps=1572864')?.options).toEqual({ mbps: '1.500' });
});
