import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadWorld, saveWorld } from '../../../src/sim/world/directory.ts';
import { parseFirewall } from '../../../src/sim/world/firewall.ts';
import { documentedWorld } from '../../support/documented-world.ts';
import { digestOf, emptyConfig, formatGuestConfig, parseGuestConfig } from '../../../src/sim/world/guest-config.ts';

const fixture = resolve(import.meta.dirname, '../../fixtures/proxmox/world');
const option = fc.stringMatching(/^[a-z][a-z0-9]{1,8}$/).filter((key) => !['description', 'delete'].includes(key));
const value = fc.stringMatching(/^[A-Za-z0-9=,:.;/-]{1,30}$/);
const options = fc.dictionary(option, value, { maxKeys: 6 });

describe("a guest's configuration file", () => {
  test('reads back as it was written, with pending changes, snapshots and any description', () => {
    fc.assert(
      fc.property(options, options, fc.string(), options, (current, pending, description, snapshot) => {
        const config = emptyConfig({
          ...current,
          ...(description === '' ? {} : { description: description.replaceAll('\r', '') || 'x' }),
        });
        config.pending = pending;
        config.pendingDelete.set('net3', false).set('scsi7', true);
        config.snapshots.set('before', snapshot);
        expect(parseGuestConfig(formatGuestConfig(config))).toEqual(config);
      }),
    );
  });

  test('has another digest after any change', () => {
    const config = emptyConfig({ cores: '2' });
    const before = digestOf(config);
    config.pending['cores'] = '4';
    expect(digestOf(config)).not.toBe(before);
  });
});

describe('a world', () => {
  test('is loaded from a folder like /etc/pve', async () => {
    const world = await loadWorld(fixture);
    expect([...world.nodes.values()].map(({ name, on }) => [name, on])).toEqual([
      ['pve1', true],
      ['pve2', false],
      ['pve3', true],
    ]);
    expect(world.guests.get(9000)?.config.current['template']).toBe('1');
    expect(world.tokens.get('shadow@pve!orc')?.privsep).toBe(false);
    expect(world.volumes).toHaveLength(3);
  });

  test.each(['the recorded one', 'the demonstration'])('is the same after saving and loading: %s', async (which) => {
    const world = which === 'the recorded one' ? await loadWorld(fixture) : documentedWorld().world;
    world.ha.set('vm:101', { state: 'stopped', maxRestart: 2, comment: 'two words' });
    world.firewalls.set('firewall/101.fw', parseFirewall('[OPTIONS]\n\nenable: 1\n\n[RULES]\n\nIN DROP # all\n'));
    world.firewalls.set(`nodes/${[...world.nodes.keys()][0]!}/host.fw`, parseFirewall('[OPTIONS]\n\nenable: 0\n'));
    world.replicationJobs.set('101-0', { target: 'pve2', schedule: '*/30' });
    world.backupJobs.set('nightly', { schedule: '02:00', vmid: '101', 'notes-template': '{{guestname}} of tonight' });
    world.archives.set('local:backup/vzdump-qemu-101-2026_01_01-00_00_00.vma', { config: 'cores: 1\n', firewall: '' });
    const folder = await mkdtemp(join(tmpdir(), 'umbra-world-'));
    await saveWorld(world, folder);
    expect(await loadWorld(folder)).toEqual(world);
    await rm(folder, { recursive: true });
  });

  test('that is no folder is refused with what is missing', async () => {
    await expect(loadWorld('/nonexistent')).rejects.toThrow(/has no folder "nodes"/);
  });
});
