import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Marker, ShadowSpec } from '../../../src/ports/hypervisor.ts';
import { disks, memoryMiB, staticAddresses, storages } from '../../../src/providers/proxmox/guest-config.ts';
import { shadowConfig } from '../../../src/providers/proxmox/identity.ts';
import { describedAs, markerLine, readMarker, taggedAs } from '../../../src/providers/proxmox/marker.ts';
import { checkedPath, targetOf } from '../../../src/providers/proxmox/path.ts';
import { powerOf } from '../../../src/providers/proxmox/guest.ts';
import { nextPowerStep } from '../../../src/providers/proxmox/power.ts';
import { redacted } from '../../../src/providers/proxmox/redact.ts';
import { parseToken } from '../../../src/providers/proxmox/token.ts';

const marker: Marker = { hostedVmId: 'shop', n: 2, role: 'shadow', operation: 'shop/2' };

describe('paths', () => {
  test.each([
    '/api2/json/nodes/pve1/qemu/../status',
    '/api2/json/nodes/a?b',
    '/api2/json/nodes/a%2Fb/qemu',
    '/api2/json//x',
  ])('refuse %s before anything is sent', (path) => {
    expect(() => checkedPath(path)).toThrow('this cannot be part of an API path');
  });

  test('let UPIDs and HA ids through, and say what they are about', () => {
    const upid = '/api2/json/nodes/pve1/tasks/UPID:pve1:00000683:0003ED6D:6B02AEEC:qmclone:9000:root@pam!full:/status';
    expect(checkedPath(upid)).toBe(upid);
    expect(checkedPath('/api2/json/cluster/ha/resources/vm:302')).toContain('vm:302');
    expect(targetOf('/api2/json/nodes/pve1/qemu/9000/clone')).toBe('VM 9000 on pve1');
    expect(targetOf('/api2/json/cluster/nextid')).toBe('cluster');
  });
});

describe('the marker', () => {
  test('comes back as it went, whatever else is in the description', () => {
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9/-]{0,20}$/);
    const markers = fc.record(
      {
        hostedVmId: word,
        n: fc.nat(10_000),
        role: fc.constantFrom('primary' as const, 'shadow' as const),
        operation: word,
        unconfigured: fc.constant(true as const),
      },
      { requiredKeys: ['hostedVmId', 'n', 'role', 'operation'] },
    );
    const texts = fc.array(fc.stringMatching(/^[^\n]{0,30}$/)).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(markers, texts, (one, text) => {
        const described = describedAs(one, text);
        expect(readMarker(described)).toEqual(one);
        expect(describedAs(one, described)).toBe(described);
      }),
    );
  });

  test('carries the instant of retirement, and is one line', () => {
    const retired: Marker = { ...marker, role: 'retired', retiredAt: 1_795_337_974_000 };
    expect(markerLine(retired)).toBe('umbra:v1 vm=shop n=2 role=retired op=shop/2 retired=1795337974000');
    expect(readMarker(markerLine(retired))).toEqual(retired);
    expect(() => markerLine({ ...marker, hostedVmId: 'two words' })).toThrow('a marker cannot hold');
  });

  test.each([
    'umbra:v2 vm=shop n=2 role=shadow op=x',
    'umbra:v1 vm=shop role=shadow op=x',
    'umbra:v1 vm=shop n=2 role=king op=x',
  ])('is none when it cannot be understood: %s', (text) => {
    expect(readMarker(text)).toBeUndefined();
  });

  test('tags keep the operator’s own and replace ours', () => {
    expect(taggedAs(marker, 'golden;umbra-primary;umbra;Web')).toBe('golden;umbra;umbra-shadow;umbra-vm-shop;web');
  });
});

describe('a guest’s configuration', () => {
  const config = {
    scsi0: 'tank:9000/base-9000-disk-0.qcow2,size=1G',
    ide2: 'nvme:vm-300-cloudinit,media=cdrom,size=4M',
    ide3: 'iso:iso/debian.iso,media=cdrom',
    efidisk0: 'tank:300/vm-300-disk-1.qcow2,size=528K',
    unused0: 'old:vm-300-disk-7',
    ipconfig0: 'ip=10.0.0.50/24,gw=10.0.0.1,ip6=auto',
    ipconfig1: 'ip=dhcp',
    memory: '2048',
  };

  test('names its disks, storages and addresses', () => {
    expect(disks(config).map((one) => one.drive)).toEqual(['scsi0', 'ide2', 'ide3', 'efidisk0']);
    expect(storages(config)).toEqual(['nvme', 'tank']);
    expect(staticAddresses(config)).toEqual(['10.0.0.50']);
    expect([memoryMiB(config), memoryMiB({ memory: 'current=4096' }), memoryMiB({})]).toEqual([2_048, 4_096, 512]);
  });
});

describe('the identity of a shadow', () => {
  const spec: ShadowSpec = {
    ref: { cluster: 'lab', vmid: 9002 },
    marker,
    name: 'shop-shadow-2',
    source: { cluster: 'lab', vmid: 9000 },
    node: 'pve2',
    full: false,
    tier: 1,
    cores: 4,
    memoryMiB: 1_024,
    address: '10.0.0.12/24,gw=10.0.0.1',
  };
  const cloned = {
    name: 'Copy-of-VM-golden',
    cores: '2',
    sockets: '2',
    memory: '4096',
    balloon: '2048',
    onboot: '1',
    protection: '1',
    ipconfig0: 'ip=10.0.0.10/24',
    ipconfig1: 'ip=192.168.0.9/24',
    ipconfig2: 'ip=dhcp',
    smbios1: 'uuid=aaaa,manufacturer=Acme',
    net0: 'virtio=BC:24:11:00:00:02,bridge=vmbr0',
  };

  test('is its own in what must not exist twice', () => {
    const change = shadowConfig({ ...spec, heartbeatSerial: 'shop/2:token' }, cloned)!;
    expect(change.delete).toEqual(['ipconfig1']);
    expect(change.set).toMatchObject({
      name: 'shop-shadow-2',
      memory: 1_024,
      balloon: 1_024,
      onboot: 0,
      protection: 0,
      ipconfig0: 'ip=10.0.0.12/24,gw=10.0.0.1',
      smbios1: `uuid=aaaa,manufacturer=${btoa('Acme')},serial=${btoa('shop/2:token')},base64=1`,
    });
    // Two sockets of two cores are four already.
    expect(change.set).not.toHaveProperty('cores');
  });

  test('is complete after one change', () => {
    const change = shadowConfig(spec, cloned)!;
    const after: Record<string, string> = { ...cloned };
    for (const [key, value] of Object.entries(change.set)) after[key] = String(value);
    for (const key of change.delete ?? []) Reflect.deleteProperty(after, key);
    expect(shadowConfig(spec, after)).toBeUndefined();
    expect(shadowConfig(spec, { ...after, ipconfig0: 'gw=10.0.0.1,ip=10.0.0.12/24' })).toBeUndefined();
  });

  test('may have its source’s MAC address and name where the policy says so', () => {
    const source = { name: 'shop', net0: 'virtio=BC:24:11:AA:AA:AA,bridge=vmbr0' };
    const change = shadowConfig({ ...spec, identity: { mac: 'same', hostname: 'same' } }, cloned, source)!;
    expect(change.set).toMatchObject({ name: 'shop', net0: 'virtio=BC:24:11:AA:AA:AA,bridge=vmbr0' });
  });
});

describe('power', () => {
  test.each([
    ['running', 'running', undefined, 'running'],
    ['running', undefined, undefined, 'running'],
    ['running', 'paused', undefined, 'paused'],
    ['running', 'suspended', undefined, 'paused'],
    ['running', 'prelaunch', undefined, 'paused'],
    ['running', 'io-error', undefined, 'unknown'],
    ['running', 'running', 'suspending', 'running'],
    ['stopped', 'stopped', undefined, 'stopped'],
    ['stopped', 'stopped', 'suspended', 'suspended'],
    ['unknown', undefined, undefined, 'unknown'],
  ] as const)('%s with QEMU %s and lock %s is %s', (status, qmpStatus, lock, power) => {
    expect(powerOf(status, qmpStatus, lock)).toBe(power);
  });

  test.each([
    ['stopped', 'running', 'start'],
    ['suspended', 'running', 'start'],
    ['paused', 'running', 'resume'],
    ['running', 'paused', 'pause'],
    ['stopped', 'paused', 'start'],
    ['running', 'stopped', 'shutdown'],
    ['paused', 'stopped', 'stop'],
    ['unknown', 'stopped', 'stop'],
    ['suspended', 'stopped', 'done'],
    ['running', 'suspended', 'hibernate'],
    ['unknown', 'running', 'wait'],
    ['running', 'running', 'done'],
  ] as const)('from %s to %s begins with %s', (now, wanted, step) => {
    expect(nextPowerStep(now, wanted, false)).toBe(step);
  });

  test('a guest that HA manages is not hibernated', () => {
    expect(nextPowerStep('running', 'suspended', true)).toHaveProperty('refused');
  });
});

describe('the token file', () => {
  const secret = '11111111-2222-3333-4444-555555555555';
  test('whose name is one letter is a token like any other, and is not shown either', () => {
    expect(parseToken(`u@pve!t=${secret}`).id).toBe('u@pve!t');
    expect(redacted(`PVEAPIToken=u@pve!t=${secret}`)).not.toContain(secret);
    expect(redacted(`u@pve!t=${secret}`)).not.toContain(secret);
  });

  test('holds id and secret, with white space around it or not', () => {
    expect(parseToken(`umbra@pve!umbra=${secret}\n`)).toEqual({
      id: 'umbra@pve!umbra',
      header: `PVEAPIToken=umbra@pve!umbra=${secret}`,
    });
  });

  test.each(['', 'umbra@pve=secret', 'umbra@pve!umbra=not-a-uuid'])('is refused without being shown: %j', (text) => {
    expect(() => parseToken(text)).toThrow('must hold one line user@realm!name=secret');
    if (text !== '') expect(() => parseToken(text)).not.toThrow(new RegExp(text));
  });
});
