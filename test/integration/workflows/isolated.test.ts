import { describe, expect, jest, test } from '@jest/globals';
import { eventually, quietly } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(90_000);
quietly();

describe('a failed primary that a backup holds', () => {
  const theatre = new Theatre();

  test('is isolated: a stateless hosted VM moves at once, says so, and stops it for good when the backup is over', async () => {
    const stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const { hypervisor } = stage.world;
    const primary = hypervisor.guests.get(101)!;
    primary.crashed = true;
    hypervisor.inBackup.add(101);
    await stage.report('shop/0', 'failed');
    const moved = await stage.until('it says so', ({ trouble }) => trouble?.code === 'isolated');
    expect(moved).toMatchObject({ phase: { kind: 'probation' }, serving: ['shop/1'] });
    expect(moved.instances[0]?.state.kind).toBe('failed');
    expect(moved.trouble?.text).toContain('isolated and will be stopped for good');
    expect(primary.power).toBe('paused');
    hypervisor.inBackup.clear();
    await stage.until('it is fenced', ({ instances }) => instances[0]?.state.kind === 'fenced');
    expect(primary.power).toBe('stopped');
    await eventually('the proof is told', () => stage.world.kinds().includes('fenced'));
  });
});
