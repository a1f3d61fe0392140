import { describe, expect, jest, test } from '@jest/globals';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { Explanation } from '../../../src/domain/view.ts';
import type { HostedVmSpec, Policy } from '../../../src/domain/policy.ts';
import { eventually, quietly } from '../../support/stage.ts';
import type { Stage } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(120_000);
quietly();

const shadow = (tier: number, count = 1) =>
  ({ tier, count, warmth: 'hot', reason: { code: 'volume', text: 'wanted by the test' } }) as const;

describe('a hosted VM in trouble', () => {
  const theatre = new Theatre();
  let stage: Stage;

  async function open(
    id: string,
    changes: Partial<Omit<HostedVmSpec, 'policy'>> & { policy?: Partial<Policy> } = {},
  ): Promise<Stage> {
    const { policy, ...rest } = changes;
    const base = specOf(id, rest);
    stage = theatre.stage({ ...base, policy: { ...base.policy, ...policy } });
    await stage.work();
    await stage.begin();
    return stage;
  }

  test('does not fail over when it answers after all', async () => {
    await open('shop');
    await stage.protected();
    await stage.report('shop/0', 'failed');
    const state = await stage.until('it is held', ({ trouble }) => trouble?.code === 'answers-after-all');
    expect(state.phase.kind).toBe('guarded');
    expect(stage.answers()).toEqual(['10.0.0.11']);
    await stage.report('shop/0', 'healthy');
    await stage.until('recovered', ({ detectedAt, trouble }) => detectedAt === null && trouble === null);
  });

  test('does nothing while only one vantage point of three says so, and while reports are old', async () => {
    await open('shop');
    await stage.protected();
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'healthy', ['north', 'south', 'east']);
    await stage.report('shop/0', 'failed', ['north']);
    const { reports } = await stage.until('all reports', ({ reports: all }) => all.some(({ to }) => to === 'failed'));
    await stage.handle.signal('healthChanged', { ...reports[1]!, to: 'failed', seq: 0 });
    await stage.handle.signal('healthChanged', { ...reports[2]!, to: 'failed', epoch: 0, seq: 99 });
    await stage.until('the inbox is empty', ({ inbox }) => inbox.length === 0);
    expect((await stage.state()).detectedAt).toBeNull();
    await stage.report('shop/0', 'failed', ['south']);
    await stage.until('a quorum moves it', ({ phase }) => phase.kind === 'probation');
  });

  test('shares an overload with a shadow, and goes back to the primary alone when it carries p90 again', async () => {
    await open('shop', { policy: { minDwellMs: 500 } });
    await stage.protected();
    stage.world.hypervisor.guests.get(101)!.overloaded = true;
    stage.world.p90 = 150;
    stage.world.demandQps = 130;
    await stage.handle.signal('demandChanged', { at: 0, qps: 130, code: 'surge', text: 'demand has doubled' });
    await stage.until('a new forecast', ({ evaluation }) => evaluation?.demandQps === 130);
    await stage.report('shop/0', 'overloaded');
    await eventually('two addresses', () => stage.answers().length === 2);
    const state = await stage.until('both serve', ({ serving }) => serving.length === 2);
    expect(state.phase.kind).toBe('guarded');
    expect(stage.answers()).toEqual(['10.0.0.11', '10.0.1.1']);

    stage.world.p90 = 50;
    stage.world.demandQps = 40;
    await stage.report('shop/0', 'healthy');
    await stage.report('shop/1', 'healthy');
    await eventually('the primary alone again', async () => {
      await stage.handle.signal('demandChanged', { at: 0, qps: 40, code: 'calm', text: 'demand is back' });
      return stage.answers().join() === '10.0.0.11';
    });
  });

  test('moves an overload to a bigger shadow and keeps the primary running for a way back', async () => {
    await open('shop');
    await stage.protected();
    stage.world.wanted = [shadow(2)];
    stage.world.p90 = 180;
    await stage.handle.signal('demandChanged', { at: 0, qps: 130, code: 'surge', text: 'demand has doubled' });
    await stage.until('a big shadow', ({ instances }) =>
      instances.some(({ tier, state }) => tier === 2 && state.kind === 'warm'),
    );
    stage.world.hypervisor.guests.get(101)!.overloaded = true;
    await stage.report('shop/0', 'overloaded');
    await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    expect(stage.world.hypervisor.guests.get(101)?.power).toBe('running');
    await stage.command('handBack');
    const back = await stage.until(
      'handed back',
      ({ phase, serving }) => phase.kind === 'guarded' && serving[0] === 'shop/0',
    );
    expect(back.generation).toBe(3);
    expect(stage.answers()).toEqual(['10.0.0.11']);
  });

  test('observes: writes nothing, starts nothing, and records what it would have done', async () => {
    await open('shop', { policy: { mode: 'observe' } });
    await stage.until('it is observed', ({ phase }) => phase.kind === 'guarded');
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    const { wouldHave } = await stage.until('what it would have done', (state) => state.wouldHave !== null);
    expect(wouldHave?.text).toContain('no shadow is ready');
    expect(stage.world.dns.names.get('shop.example.test')).toEqual({ a: ['10.0.0.11'], aaaa: [] });
    expect(stage.world.hypervisor.calls).toEqual([]);
    expect(stage.world.hypervisor.guests.get(101)?.marker).toBeUndefined();
  });

  test('asks first in approve mode, and does it when a human approves', async () => {
    await open('shop', { policy: { mode: 'approve' } });
    await stage.protected();
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    const { phase } = await stage.until('a proposal', (state) => state.phase.kind === 'needs-human');
    const proposal = phase.kind === 'needs-human' ? phase.proposal : undefined;
    expect(proposal).toMatchObject({ action: 'failover', to: ['shop/1'] });
    await expect(stage.command('approve', { proposalId: 'another' })).rejects.toThrow(WorkflowUpdateFailedError);
    await stage.command('approve', { proposalId: proposal!.id });
    await stage.until('probation', (state) => state.phase.kind === 'probation');
    await eventually('fenced', () => stage.world.hypervisor.guests.get(101)?.power === 'stopped');
  });

  test('touches nothing while it is paused and acts once it is resumed', async () => {
    await open('shop');
    await stage.protected();
    await stage.command('pause');
    await stage.until('paused', ({ paused }) => paused !== null);
    const { length } = stage.world.hypervisor.calls;
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await expect(stage.command('failover')).rejects.toMatchObject({ cause: { type: 'paused' } });
    expect(stage.world.hypervisor.calls).toHaveLength(length);
    expect(stage.answers()).toEqual(['10.0.0.11']);
    await stage.command('resume');
    await stage.until('probation', ({ phase }) => phase.kind === 'probation');
  });

  test('a pinned VM asks a human and is not moved', async () => {
    await open('db', { storageClass: 'pinned' });
    await stage.until('guarded', ({ phase }) => phase.kind === 'guarded');
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('db/0', 'failed');
    const { phase } = await stage.until('a human', (state) => state.phase.kind === 'needs-human');
    expect(phase).toMatchObject({ reason: { code: 'no-shadow' } });
    expect(stage.world.hypervisor.calls).toEqual([]);
    const explained = await stage.handle.query<Explanation>('explain');
    expect(explained.next.join()).toContain('pinned never moves by itself');
    stage.world.hypervisor.guests.get(101)!.crashed = false;
    await stage.report('db/0', 'healthy');
    await stage.until('guarded again', (state) => state.phase.kind === 'guarded');
  });

  test('a name server that is away delays the move and loses nothing', async () => {
    await open('shop');
    await stage.protected();
    stage.world.dns.away = true;
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await stage.until('it says why', ({ trouble }) => trouble?.code === 'transient', 30_000);
    expect((await stage.view()).state).toBe('failing-over');
    stage.world.dns.away = false;
    await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    expect(stage.world.dns.answers.map(({ generation }) => generation)).toEqual([1, 2]);
  });

  test('somebody who took the name over is not overwritten', async () => {
    await open('shop');
    await stage.protected();
    stage.world.dns.names.set('shop.example.test', { a: ['192.0.2.1'], aaaa: [], owner: 'stranger', generation: 7 });
    await stage.command('failover');
    const { phase } = await stage.until('a human', (state) => state.phase.kind === 'needs-human');
    expect(phase).toMatchObject({ reason: { code: 'not-owned' } });
    expect(stage.answers()).toEqual(['192.0.2.1']);
  });

  test('a shadow that fails during probation is followed by another, and probation starts anew', async () => {
    await open('shop', { policy: { blockMs: 0 } });
    stage.world.wanted = [shadow(1, 2)];
    await stage.handle.signal('demandChanged', { at: 0, qps: 40, code: 'more', text: 'two are wanted' });
    await stage.until(
      'two shadows',
      ({ instances }) => instances.filter(({ state }) => state.kind === 'warm').length === 2,
    );
    const { hypervisor } = stage.world;
    hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    const first = await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    await stage.until('tokens', ({ failoverTokens }) => failoverTokens > 0);
    const serving = first.serving[0]!;
    hypervisor.guests.get(first.instances.find(({ id }) => id === serving)!.vmid!)!.crashed = true;
    await stage.report(serving, 'failed');
    const second = await stage.until(
      'another serves',
      ({ serving: [id], phase }) => id !== serving && phase.kind === 'probation',
    );
    expect(second.phase).toMatchObject({ former: 'shop/0' });
    expect(second.phase.since).toBeGreaterThan(first.phase.since);
    expect(second.generation).toBe(3);
    // A third automatic move within 24 h needs a human.
    await stage.until('another shadow', ({ instances }) => instances.some(({ state }) => state.kind === 'warm'));
    const third = second.serving[0]!;
    hypervisor.guests.get(second.instances.find(({ id }) => id === third)!.vmid!)!.crashed = true;
    await stage.report(third, 'failed');
    const asked = await stage.until('a human', ({ phase }) => phase.kind === 'needs-human');
    expect(asked.phase).toMatchObject({ reason: { code: 'too-many-moves' } });
    await stage.command('approve');
    await stage.until('moved', ({ serving: [id], phase }) => id !== third && phase.kind === 'probation');
  });

  test('refuses to adopt without rights, says which command grants them, and adopts once they are there', async () => {
    stage = theatre.stage(specOf('shop'));
    stage.world.hypervisor.lackingRights = [
      { privilege: 'VM.PowerMgmt', path: '/vms/101', granted: false, mend: 'pveum acl modify /vms/101 ...' },
    ];
    await stage.work();
    await stage.begin();
    const { trouble } = await stage.until('refused', (state) => state.trouble !== null);
    expect(trouble).toMatchObject({ code: 'rights-missing' });
    expect(trouble?.text).toContain('pveum acl modify');
    stage.world.hypervisor.lackingRights = [];
    await stage.handle.executeUpdate('applySpec', { args: [{ spec: stage.spec, revision: 2, actor: 'ada' }] });
    await stage.until('adopted', ({ phase }) => phase.kind === 'guarded');
  });

  test('retire deletes the shadows, leaves the answers and ends', async () => {
    await open('shop');
    await stage.protected();
    await stage.command('retire');
    await stage.handle.result();
    expect(stage.world.hypervisor.guests.has(9001)).toBe(false);
    expect(stage.world.hypervisor.guests.get(101)?.power).toBe('running');
    expect(stage.world.dns.names.get('shop.example.test')).toEqual({ a: ['10.0.0.11'], aaaa: [], ttlSeconds: 5 });
  });

  test('a store that is away for a while stops no failover and gets every event later', async () => {
    await open('shop');
    await stage.protected();
    stage.world.storeAway = true;
    stage.world.hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    stage.world.storeAway = false;
    await eventually('the events', () => stage.world.kinds().includes('answer-changed'), 30_000);
    expect(new Set(stage.world.events.map(({ id }) => id)).size).toBe(stage.world.events.length);
  });
});
