import { describe, expect, jest, test } from '@jest/globals';
import { lostCode } from '../../../src/domain/instance.ts';
import type { Warmth } from '../../../src/domain/instance.ts';
import { eventually, quietly } from '../../support/stage.ts';
import type { Stage } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { describeTimeSkipping, timeSkippingServer } from '../../support/temporal.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(90_000);
quietly();

const shadows = (count: number, warmth: Warmth = 'hot') =>
  [{ tier: 1, count, warmth, reason: { code: 'volume', text: 'wanted by the test' } }] as const;

describe('a hosted VM is never stuck', () => {
  const theatre = new Theatre();
  let stage: Stage;

  test('a warm shadow whose guest crashes is brought back', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const guest = stage.world.hypervisor.guests.get(9001)!;
    guest.power = 'stopped';
    await stage.report('shop/1', 'failed');
    await eventually('it is told', () => stage.world.kinds().includes('shadow-lost'));
    await eventually('it runs again', () => guest.power === 'running');
    await stage.until('it is warm again', ({ instances }) => instances[1]?.state.kind === 'warm');
    expect(stage.world.hypervisor.calls.filter((call) => call.startsWith('clone'))).toHaveLength(1);
  });

  test('a shadow that runs and does not answer is not called ready until it does', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const guest = stage.world.hypervisor.guests.get(9001)!;
    guest.crashed = true;
    await stage.report('shop/1', 'failed');
    const looked = stage.world.looks;
    await stage.until('it is lost', ({ instances }) => instances[1]?.state.kind === 'failed');
    await eventually('it has been looked at', () => stage.world.looks > looked + 2);
    expect((await stage.state()).instances[1]?.state).toMatchObject({ kind: 'failed', why: { code: lostCode } });
    await expect(stage.command('failover')).rejects.toMatchObject({ cause: { type: 'no-shadow' } });
    guest.crashed = false;
    await stage.until('it is warm again', ({ instances }) => instances[1]?.state.kind === 'warm');
  });

  test('work that hangs on a node is called off when the shadow is to be deleted', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const { hypervisor } = stage.world;
    hypervisor.hanging.add('power running');
    hypervisor.guests.get(9001)!.power = 'stopped';
    await stage.report('shop/1', 'failed');
    await stage.until('it is lost', ({ instances }) => instances[1]?.state.kind === 'failed');
    await stage.command('retire');
    await stage.handle.result();
    expect(hypervisor.guests.has(9001)).toBe(false);
    // The call that hangs was called off, and the guest not started again on the way.
    expect(hypervisor.calls.filter((call) => call === 'running 9001')).toHaveLength(1);
  });

  test('a primary that is handed back to is not stopped by a fence that was still under way', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const { hypervisor } = stage.world;
    hypervisor.guests.get(101)!.crashed = true;
    hypervisor.hanging.add('fence');
    await stage.report('shop/0', 'failed');
    await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    hypervisor.guests.get(101)!.crashed = false;
    await stage.command('handBack');
    await stage.until('handed back', ({ serving }) => serving.join() === 'shop/0');
    hypervisor.hanging.clear();
    await stage.report('shop/0', 'healthy');
    const state = await stage.until('at rest', ({ inbox }) => inbox.length === 0);
    expect(state.phase.kind).toBe('guarded');
    expect(hypervisor.calls).not.toContain('fence 101');
    expect(hypervisor.guests.get(101)?.power).toBe('running');
  });

  test('continues as new while the store is away, and loses no event', async () => {
    stage = theatre.stage(specOf('shop'));
    await stage.work();
    await stage.begin({ continueAfterEvents: 100 });
    await stage.protected();
    stage.world.storeAway = true;
    const { runId } = await stage.handle.describe();
    await stage.handle.signal('demandChanged', { at: 0, qps: 41, code: 'more', text: 'while the store is away' });
    await eventually('another run', async () => {
      await stage.report('shop/0', 'healthy');
      return (await stage.handle.describe()).runId !== runId;
    });
    stage.world.storeAway = false;
    await eventually('the event', () => stage.world.kinds().includes('demand-changed'), 30_000);
  });

  test('continues as new in the middle of a move that a name server holds up, and ends it', async () => {
    stage = theatre.stage(specOf('shop'));
    await stage.work();
    await stage.begin({ longest: 130 });
    await stage.protected();
    stage.world.dns.away = true;
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await stage.until('it moves', ({ phase }) => phase.kind === 'failing-over');
    const { runId } = await stage.handle.describe();
    await eventually('another run', async () => (await stage.handle.describe()).runId !== runId, 60_000);
    expect((await stage.state()).phase.kind).toBe('failing-over');
    stage.world.dns.away = false;
    const state = await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    expect(state.serving).toEqual(['shop/1']);
    await stage.until('the old primary is fenced', ({ instances }) => instances[0]?.state.kind === 'fenced');
  });

  test('a new TTL reaches DNS although the name server is away when it is applied', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    stage.world.dns.away = true;
    const spec = { ...stage.spec, ttlSeconds: 30 };
    await stage.handle.executeUpdate('applySpec', { args: [{ spec, revision: 2, actor: 'ada' }] });
    await stage.until('it says why', ({ trouble }) => trouble !== null);
    stage.world.dns.away = false;
    await stage.until('written again', ({ generation }) => generation === 2, 45_000);
    expect(stage.world.dns.names.get('shop.example.test')).toMatchObject({ generation: 2, ttlSeconds: 30 });
  });
});

describeTimeSkipping('a hosted VM is never stuck for hours', () => {
  const theatre = new Theatre(timeSkippingServer);
  let stage: Stage;

  test('a shadow whose node dies is given up after a minute and another is made elsewhere', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const { hypervisor } = stage.world;
    expect(hypervisor.guests.get(9001)?.node).toBe('pve2');
    hypervisor.nodesOff.add('pve2');
    await stage.report('shop/1', 'failed');
    await stage.until('it is lost', ({ instances }) => instances[1]?.state.kind === 'failed');
    await theatre.env.sleep('40 seconds');
    expect(hypervisor.guests.size).toBe(2);
    await theatre.env.sleep('30 seconds');
    await stage.until('another is warm', ({ instances }) =>
      instances.some(({ id, state, node }) => id === 'shop/2' && state.kind === 'warm' && node === 'pve3'),
    );
    await eventually('it is told', () => stage.world.kinds().includes('shadow-given-up'));
    hypervisor.nodesOff.clear();
    await theatre.env.sleep('5 minutes');
    await eventually('the lost one is deleted once its node is back', () => !hypervisor.guests.has(9001));
    expect((await stage.state()).instances.map(({ id }) => id)).toEqual(['shop/0', 'shop/2']);
  });

  test('a shadow that does not wake gives way to the next', async () => {
    stage = theatre.stage(specOf('shop'));
    stage.world.wanted = [...shadows(2, 'paused')];
    await stage.work();
    await stage.begin();
    await stage.until(
      'two paused shadows',
      ({ instances }) =>
        instances.filter(({ state }) => state.kind === 'warm' && state.warmth === 'paused').length === 2,
    );
    const { hypervisor } = stage.world;
    hypervisor.guests.get(9001)!.node = 'pve9';
    hypervisor.nodesOff.add('pve9');
    hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await stage.until('it moves to the first', ({ phase }) => phase.kind === 'failing-over');
    await theatre.env.sleep('40 seconds');
    const state = await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    expect(state.serving).toEqual(['shop/2']);
    expect(stage.answers()).toEqual(['10.0.1.2']);
    expect(state.failoversAt).toHaveLength(1);
  });

  test('a promotion that cannot be marked goes back to probation, where a failure is still looked at', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const { hypervisor } = stage.world;
    hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    await stage.until('the next shadow', ({ instances }) =>
      instances.some(({ id, state }) => id === 'shop/2' && state.kind === 'warm'),
    );
    await stage.report('shop/1', 'healthy');
    hypervisor.failing.add('mark');
    await theatre.env.sleep('24 hours');
    await theatre.env.sleep('3 minutes');
    const held = await stage.until('held', ({ trouble }) => trouble?.code === 'transient');
    expect(held.phase).toMatchObject({ kind: 'probation', former: 'shop/0' });
    hypervisor.guests.get(9001)!.crashed = true;
    await stage.report('shop/1', 'failed');
    await stage.until('the next serves', ({ serving }) => serving.join() === 'shop/2');
    expect(stage.answers()).toEqual(['10.0.1.2']);
  });
});
