import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { forRelease, indexLimits, verify } from '../../../src/sim/api/parameters.ts';
import type { Values } from '../../../src/sim/api/parameters.ts';
import { operations } from '../../../src/sim/api/operations.ts';
import { Refusal } from '../../../src/sim/api/refusal.ts';
import { schemaOf } from './schema.ts';
import type { SchemaParameter } from './schema.ts';

/** Values that named formats accept, and one that they do not, with what Proxmox says to it. */
const formats: Record<string, { valid: fc.Arbitrary<string>; wrong?: readonly [string, string] }> = {
  'pve-vmid': {
    valid: fc.integer({ min: 100, max: 999999999 }).map(String),
    wrong: ['50', 'invalid format - value does not look like a valid VM ID\n'],
  },
  'pve-node': {
    valid: fc.constantFrom('pve1', 'a-b', 'N0'),
    wrong: ['-x', 'invalid format - value does not look like a valid node name\n'],
  },
  'pve-storage-id': {
    valid: fc.constantFrom('tank', 'local-lvm', 'a.b_c'),
    wrong: ['!x', "invalid format - storage ID '!x' contains illegal characters\n"],
  },
  'pve-configid': {
    valid: fc.constantFrom('s1', 'before-update', 'A_b'),
    wrong: ['1bad', "invalid format - invalid configuration ID '1bad'\n"],
  },
  'dns-name': {
    valid: fc.constantFrom('web', 'a.b-c.example'),
    wrong: ['bad_name!', 'invalid format - value does not look like a valid DNS name\n'],
  },
  'pve-poolid': {
    valid: fc.constantFrom('shadows', 'a/b/c'),
    wrong: ['a b', "invalid format - pool name 'a b' contains invalid characters\n"],
  },
  'pve-tag-list': {
    valid: fc.constantFrom('a;b', 'shadow, umbra', ''),
    wrong: ['a;!', 'invalid format - invalid characters in tag\n'],
  },
  'pve-configid-list': {
    valid: fc.constantFrom('net0', 'net0,scsi1'),
    wrong: ['net0,1x', "invalid format - invalid configuration ID '1x'\n"],
  },
  'pve-vmid-list': {
    valid: fc.constantFrom('100', '100,200'),
    wrong: ['100,9', 'invalid format - value does not look like a valid VM ID\n'],
  },
  'pve-volume-id': {
    valid: fc.constant('tank:100/vm-100-disk-0.qcow2'),
    wrong: ['nope', "invalid format - unable to parse volume ID 'nope'\n"],
  },
  'pve-hotplug-features': {
    valid: fc.constantFrom('1', 'network,disk'),
    wrong: ['x', 'invalid format - unable to parse hotplug option\n'],
  },
  'pve-startup-order': {
    valid: fc.constantFrom('order=1', 'order=1,up=2,down=3'),
    wrong: ['x', 'invalid format - unable to parse startup options\n'],
  },
  'pve-qm-bootdisk': {
    valid: fc.constantFrom('scsi0', 'virtio1'),
    wrong: ['x9', "invalid format - invalid boot disk 'x9'\n"],
  },
  'pve-qm-ipconfig': {
    valid: fc.constantFrom('ip=dhcp', 'ip=10.0.0.5/24,gw=10.0.0.1', 'ip6=auto', 'ip=10.1.2.3/8,ip6=fd00::1/64'),
    wrong: [
      'ip=10.0.0.300/24',
      'invalid format - format error\nX.ip: invalid format - value does not look like a valid ipv4 network configuration\n\n',
    ],
  },
  'pve-qm-cicustom': {
    valid: fc.constant('user=tank:snippets/x.yaml'),
    wrong: [
      'user=nope',
      "invalid format - format error\nX.user: invalid format - unable to parse volume ID 'nope'\n\n",
    ],
  },
  'pve-qm-smbios1': {
    valid: fc.constantFrom('uuid=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee', 'base64=1,serial=YWJj'),
    wrong: ['uuid=x', 'invalid format - format error\nX.uuid: value does not match the regex pattern\n'],
  },
  'pve-qm-boot': {
    valid: fc.constantFrom('order=scsi0;net0', 'cdn'),
    wrong: ['foo=1', 'invalid format - invalid key in comma-separated list property: foo\n'],
  },
  'pve-vm-cpu-conf': {
    valid: fc.constantFrom('host', 'x86-64-v2-AES,flags=+aes', 'EPYC-Rome-v2', 'Skylake-Server-noTSX-IBRS'),
    wrong: ['host2', "invalid format - Built-in cputype 'host2' is not defined (missing 'custom-' prefix?)\n"],
  },
  'pve-qm-ide': { valid: fc.constantFrom('none', 'tank:iso/x.iso') },
  'pve-qm-hostpci': { valid: fc.constantFrom('01:00', '0000:01:00.0,pcie=1') },
  'pve-qm-rng': { valid: fc.constant('source=/dev/urandom') },
  'pve-qm-watchdog': { valid: fc.constantFrom('i6300esb', 'model=ib700,action=reset') },
  'pve-qemu-sev-fmt': { valid: fc.constant('type=std') },
  'pve-qemu-tdx-fmt': { valid: fc.constant('type=tdx,attestation=1') },
  'pve-cpuset': { valid: fc.constantFrom('0', '0-3,7') },
  'pve-ha-resource-or-vm-id': {
    valid: fc.constantFrom('vm:100', '100'),
    wrong: ['100 x', 'invalid format - value does not look like a valid ha resource id\n'],
  },
  'pve-ha-node-list': {
    valid: fc.constantFrom('pve1', 'pve1:2,pve2'),
    wrong: ['pve1,-x', 'invalid format - value does not look like a valid ha node\n'],
  },
  'pve-ha-resource-id-list': { valid: fc.constantFrom('vm:100', 'vm:100,ct:101') },
  'pve-storage-content': { valid: fc.constantFrom('images', 'iso') },
  'pve-storage-content-list': { valid: fc.constantFrom('images', 'images,iso') },
  'pve-storage-id-list': { valid: fc.constantFrom('tank', 'tank,local') },
  'pve-task-status-type-list': { valid: fc.constantFrom('ok', 'error,warning') },
  'pve-realm': { valid: fc.constantFrom('pam', 'pve') },
  'pve-priv-list': { valid: fc.constant('VM.Audit') },
  'address-list': { valid: fc.constantFrom('10.0.0.1', 'ns.example 10.0.0.2') },
  'storage-pair-list': { valid: fc.constantFrom('1', 'tank:local') },
  CIDR: {
    valid: fc.constantFrom('10.0.0.0/8', 'fd00::/64'),
    wrong: ['10.0.0.0/40', 'invalid format - value does not look like a valid CIDR network\n'],
  },
  urlencoded: {
    valid: fc.string().map(encodeURIComponent),
    wrong: ['a b', 'invalid format - invalid urlencoded string: a b\n'],
  },
};
/** Values of the options whose property strings the schema spells out, and of those with a pattern. */
const samples: Record<string, readonly string[]> = {
  agent: ['1', 'enabled=1,fstrim_cloned_disks=1'],
  audio0: ['device=AC97'],
  efidisk0: ['tank:1,efitype=4m'],
  'ide[n]': ['none,media=cdrom', 'tank:cloudinit'],
  ivshmem: ['size=32'],
  machine: ['q35', 'pc-i440fx-9.0'],
  memory: ['2048', 'current=512'],
  'net[n]': ['virtio,bridge=vmbr0', 'virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=5', 'model=e1000'],
  'numa[n]': ['cpus=0-1,memory=512'],
  'sata[n]': ['tank:100/vm-100-disk-0.qcow2,size=1G'],
  'scsi[n]': ['tank:8', 'tank:100/vm-100-disk-0.qcow2,iothread=1,ssd=1'],
  spice_enhancements: ['foldersharing=1'],
  tpmstate0: ['tank:1,version=v2.0'],
  'unused[n]': ['tank:100/vm-100-disk-0.qcow2'],
  'usb[n]': ['spice', 'host=1-2'],
  vga: ['std', 'type=qxl,memory=32'],
  'virtio[n]': ['tank:8,backup=0'],
  'virtiofs[n]': ['dir'],
  'nets-host-mtu': ['net0=1500,net1=9000'],
  'parallel[n]': ['/dev/parport0'],
  'serial[n]': ['socket', '/dev/ttyS0'],
  size: ['+1G', '10G', '100'],
  startdate: ['now', '2026-01-02'],
  userid: ['a@pve', 'a@pve!tok'],
  vmgenid: ['1', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'],
  bootdisk: ['scsi0'],
};

function validFor(name: string, parameter: SchemaParameter): fc.Arbitrary<string> {
  const listed = samples[name];
  if (listed) return fc.constantFrom(...listed);
  if (parameter.enum) return fc.constantFrom(...parameter.enum);
  if (typeof parameter.format === 'string') {
    const known = formats[parameter.format];
    if (!known) throw new Error(`no values for format ${parameter.format} of ${name}`);
    return known.valid.filter((value) => parameter.maxLength === undefined || value.length <= parameter.maxLength);
  }
  if (typeof parameter.format === 'object') throw new Error(`no values for ${name}`);
  switch (parameter.type) {
    case 'boolean':
      return fc.constantFrom('0', '1');
    case 'integer':
    case 'number':
      return fc
        .integer({ min: Number(parameter.minimum ?? -1000), max: Number(parameter.maximum ?? 100000) })
        .map(String);
    case 'array':
      // A form's one value stands for a list of one, unless it is false to Perl.
      return parameter.items?.format === undefined
        ? fc.string({ minLength: 1, maxLength: 60 }).filter((value) => value !== '0')
        : validFor(name, parameter.items);
    default:
      return fc.string({ maxLength: parameter.maxLength ?? 60 });
  }
}

/** Each way this parameter alone can be wrong, and the words for it. */
function violations(name: string, path: string, parameter: SchemaParameter): [string, string][] {
  const found: [string, string][] = [];
  if (parameter.type === 'boolean') found.push(['true', "type check ('boolean') failed - got 'true'"]);
  if (parameter.type === 'integer') found.push(['1.5', "type check ('integer') failed - got '1.5'"]);
  if (parameter.type === 'number') found.push(['abc', "type check ('number') failed - got 'abc'"]);
  if (parameter.minimum !== undefined && parameter.format === undefined) {
    const below = Number(parameter.minimum) - 1;
    found.push([String(below), `value must have a minimum value of ${parameter.minimum}`]);
  }
  if (parameter.maximum !== undefined && parameter.format === undefined) {
    found.push([String(Number(parameter.maximum) + 1), `value must have a maximum value of ${parameter.maximum}`]);
  }
  if (parameter.maxLength !== undefined && parameter.format === undefined) {
    found.push(['x'.repeat(parameter.maxLength + 1), `value may only be ${parameter.maxLength} characters long`]);
  }
  if (parameter.enum) {
    found.push([
      'no-such-word',
      `value 'no-such-word' does not have a value in the enumeration '${parameter.enum.join(', ')}'`,
    ]);
  }
  if (parameter.pattern !== undefined && parameter.format === undefined)
    found.push([' ,;', 'value does not match the regex pattern']);
  const wrong = typeof parameter.format === 'string' ? formats[parameter.format]?.wrong : undefined;
  if (wrong) found.push([wrong[0], wrong[1].replaceAll('X.', `${path}.`)]);
  if (name === 'memory')
    found.push(['-1', 'invalid format - format error\nmemory.current: value must have a minimum value of 16\n']);
  return found;
}

/** The errors of a call; none when it is accepted. */
function errorsOf(parameters: Parameters<typeof verify>[0], values: Values): Record<string, string> {
  try {
    verify(parameters, values);
    return {};
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    expect([error.status, error.message]).toEqual([400, 'Parameter verification failed.']);
    return error.errors ?? {};
  }
}

const numbered = (name: string, n: number): string => name.replace('[n]', String(n));

describe('parameters, as the official schema describes them', () => {
  const schema = schemaOf('9.2');
  const rows = operations.filter((row) => schema?.[`${row.method} ${row.path}`]?.parameters?.properties !== undefined);

  test.each(rows.map((row) => [`${row.method} ${row.path}`, row] as const))('%s', (name, row) => {
    const properties = schema![name]!.parameters!.properties!;
    const parameters = forRelease(row.parameters, '9.2');
    const required = Object.keys(properties).filter((key) => !properties[key]!.optional);
    const base = fc.record(Object.fromEntries(required.map((key) => [key, validFor(key, properties[key]!)])));
    // What a parameter needs beside it comes along.
    const full = (key: string, value: string, others: Values): Values => {
      const needed = properties[key]!.requires;
      return {
        ...others,
        ...(needed === undefined ? {} : { [needed]: fc.sample(validFor(needed, properties[needed]!), 1)[0]! }),
        [key]: value,
      };
    };
    for (const [key, parameter] of Object.entries(properties)) {
      const at = numbered(key, 0);
      fc.assert(
        fc.property(base, validFor(key, parameter), (others, value) => {
          const values = full(key, value, others);
          if (at !== key) {
            values[at] = value;
            Reflect.deleteProperty(values, key);
          }
          expect(errorsOf(parameters, values)).toEqual({});
        }),
        { numRuns: 5 },
      );
      const others = fc.sample(base, 1)[0]!;
      for (const [value, text] of violations(key, at, parameter)) {
        const values = { ...full(key, value, others), [at]: value };
        if (at !== key) Reflect.deleteProperty(values, key);
        expect({ key: at, value, errors: errorsOf(parameters, values) }).toEqual({
          key: at,
          value,
          errors: { [at]: text },
        });
      }
      if (required.includes(key)) {
        const less = Object.fromEntries(Object.entries(others).filter(([other]) => other !== key));
        expect(errorsOf(parameters, less)).toEqual({ [key]: 'property is missing and it is not optional' });
      }
      if (parameter.requires !== undefined && !required.includes(parameter.requires)) {
        const alone = { ...others, [key]: fc.sample(validFor(key, parameter), 1)[0]! };
        expect(errorsOf(parameters, alone)).toEqual({
          [parameter.requires]: `missing property - '${key}' requires this property`,
        });
      }
    }
    const unknown = { ...fc.sample(base, 1)[0]!, 'no-such': '1' };
    expect(errorsOf(parameters, unknown)).toEqual({
      'no-such': 'property is not defined in schema and the schema does not allow additional properties',
    });
  });

  test('numbered options end where Proxmox ends them', () => {
    const put = operations.find((row) => row.method === 'PUT' && row.path.endsWith('/{vmid}/config'))!;
    for (const [stem, count] of Object.entries(indexLimits)) {
      const name = `${stem}${count}`;
      expect(Object.keys(errorsOf(put.parameters, { node: 'pve1', vmid: '100', [name]: 'x' }))).toEqual([name]);
      expect(errorsOf(put.parameters, { node: 'pve1', vmid: '100', [name]: 'x' })[name]).toMatch(
        /not defined in schema/,
      );
    }
  });
});
