import { describe, expect, test } from '@jest/globals';
import type { World } from '../../../src/sim/world/world.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow } from './lab.ts';

/** How a datacenter may keep tags to itself, and which of ours a new shadow then has beside its template's. */
const restrictions: Readonly<Record<string, { readonly set: World['datacenter']; readonly has: readonly string[] }>> = {
  'anything goes': { set: {}, has: ['golden', 'umbra', 'umbra-shadow', 'umbra-vm-shop'] },
  'only tags that exist': { set: { 'user-tag-access': 'user-allow=existing' }, has: ['golden'] },
  'no tags': { set: { 'user-tag-access': 'user-allow=none' }, has: ['golden'] },
  'a list without ours': { set: { 'user-tag-access': 'user-allow=list,user-allow-list=web;db' }, has: ['golden'] },
  'a list with one of ours': {
    set: { 'user-tag-access': 'user-allow=list,user-allow-list=umbra;web' },
    has: ['golden', 'umbra'],
  },
  'one of ours is registered': {
    set: { 'registered-tags': 'umbra-shadow' },
    has: ['golden', 'umbra', 'umbra-vm-shop'],
  },
  'the template’s is registered': {
    set: { 'registered-tags': 'golden' },
    has: ['golden', 'umbra', 'umbra-shadow', 'umbra-vm-shop'],
  },
};

const world = (lab: Lab) => lab.sim.cluster.world;
const restricted = (set: World['datacenter']) =>
  openLab({ change: (made) => void Object.assign(made.datacenter, set) });

describe('a datacenter that restricts tags', () => {
  test.each(Object.keys(restrictions))('(%s) stands in the way of nothing', async (name) => {
    const { set, has } = restrictions[name]!;
    const lab = await restricted(set);
    try {
      const made = await lab.hypervisor.ensureShadow(shadow(1));
      expect(made).toMatchObject({ tags: has, marker: marker(1), addresses: ['10.0.0.11'] });
      expect(world(lab).guests.get(9001)!.config.current).toMatchObject({ onboot: '0', protection: '0' });
      expect(await lab.hypervisor.ensureShadow(shadow(1))).toEqual(made);
      await lab.hypervisor.ensurePower(ref(9001), 'running');
      const serving = await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'primary'), { protected: true });
      expect(serving.marker).toEqual(marker(1, 'primary'));
      expect(world(lab).guests.get(9001)!.config.current['protection']).toBe('1');
      await lab.hypervisor.ensureMarked(ref(101), marker(0, 'primary'), { protected: true });
      await lab.hypervisor.ensurePower(ref(9001), 'stopped');
      await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: false });
      await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
      expect(world(lab).guests.has(9001)).toBe(false);
      const said = lab.logged.filter((text) => text.startsWith('the datacenter restricts tags'));
      expect(said).toHaveLength(name === 'anything goes' || name.startsWith('the template') ? 0 : 1);
    } finally {
      await lab.close();
    }
  });

  test('is believed for tags alone: a missing right is refused as ever', async () => {
    const lab = await openLab();
    try {
      world(lab).roles.get('UmbraPrimary')!.delete('VM.Config.Options');
      await expect(
        lab.hypervisor.ensureMarked(ref(101), marker(0, 'primary'), { protected: true }),
      ).rejects.toMatchObject({ failureClass: 'permission' });
    } finally {
      await lab.close();
    }
  });
});
