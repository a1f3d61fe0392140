import { describe, expect, jest, test } from '@jest/globals';
import type { Explanation } from '../../../src/domain/view.ts';
import { eventually, quietly } from '../../support/stage.ts';
import type { Stage } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(60_000);
quietly();

describe('the whole life of a hosted VM', () => {
  const theatre = new Theatre();
  let stage: Stage;

  test('adopts, warms a shadow, fails over, opens probation and does not promote before the caches are empty', async () => {
    stage = theatre.stage(specOf('shop'));
    await stage.work();
    await stage.begin();
    await stage.protected();
    expect(stage.world.dns.names.get('shop.example.test')).toMatchObject({ owner: 'shop', generation: 1 });
    expect(stage.world.hypervisor.guests.get(101)).toMatchObject({ protected: true, marker: { role: 'primary' } });

    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await eventually('DNS names the shadow', () => stage.answers().join() === '10.0.1.1');
    const probation = await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    expect(probation.serving).toEqual(['shop/1']);
    const endsAt = probation.phase.kind === 'probation' ? probation.phase.endsAt : 0;
    const explained = await stage.handle.query<Explanation, [number]>('explain', endsAt - 90 * 60_000);
    expect(explained.sentence).toBe('Shadow 9001 (1x) serves instead of primary 101; probation ends in 1h30m.');
    await stage.until('the old primary is fenced', ({ instances }) => instances[0]?.state.kind === 'fenced');

    await stage.command('promote');
    await stage.until('resolvers may still name the former', ({ trouble }) => trouble?.code === 'not-drained');
    await eventually('the timeline', () => stage.world.kinds().includes('promotion-held'));
    const expected = ['adopted', 'shadow-warm', 'failover-decided', 'answer-changed', 'probation-opened', 'fenced'];
    expect(stage.world.kinds()).toEqual(expect.arrayContaining(expected));
    const decided = stage.world.events.find(({ kind }) => kind === 'failover-decided');
    expect(decided?.facts['inputsHash']).toMatch(/^[0-9a-f]{16}$/);
  });
});
