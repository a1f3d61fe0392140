import { describe, expect, jest, test } from '@jest/globals';
import { eventually, quietly } from '../../support/stage.ts';
import type { Stage } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(90_000);
quietly();

describe('continue as new', () => {
  const theatre = new Theatre();
  let stage: Stage;

  test('loses no signal sent while it happens, keeps deadlines, and goes on failing over', async () => {
    stage = theatre.stage(specOf('shop'));
    await stage.work();
    await stage.begin({ continueAfterEvents: 120 });
    await stage.protected();
    const runs = new Set<string>();
    // Each vantage point reports under its own name, so a lost signal would be a missing name in the end.
    const vantages = Array.from({ length: 150 }, (_, index) => `point-${index}`);
    for (let from = 0; from < vantages.length; from += 5) {
      await stage.report('shop/0', 'healthy', vantages.slice(from, from + 5));
      runs.add((await stage.handle.describe()).runId);
    }
    const state = await stage.until('all reports', ({ reports }) => reports.length === vantages.length);
    expect(runs.size).toBeGreaterThan(2);
    expect(state.inbox).toEqual([]);

    await stage.command('failover', { reason: 'try it' });
    const { phase } = await stage.until('probation', (each) => each.phase.kind === 'probation');
    const before = (await stage.handle.describe()).runId;
    await eventually('another run during probation', async () => {
      await stage.report('shop/1', 'healthy', vantages.slice(0, 5));
      return (await stage.handle.describe()).runId !== before;
    });
    const later = await stage.state();
    expect(later.phase).toEqual(phase);
    expect(stage.world.hypervisor.calls.filter((call) => call.startsWith('clone 101 -> 9001'))).toHaveLength(1);
  });

  test('answers a repeated command once, also in a later run', async () => {
    stage = theatre.stage(specOf('twice'));
    await stage.work();
    await stage.begin({ continueAfterEvents: 60 });
    await stage.protected();
    const asked = { requestId: 'the-same', actor: 'ada', reason: 'once' };
    await stage.handle.executeUpdate('pause', { args: [asked] });
    await stage.until('paused', ({ paused }) => paused !== null);
    await stage.command('resume');
    for (let round = 0; round < 30; round += 1) await stage.report('twice/0', 'healthy');
    const repeated = await stage.handle.executeUpdate('pause', { args: [asked] });
    expect(repeated).toEqual({ kind: 'accepted', text: 'accepted before under the same id' });
    expect((await stage.state()).paused).toBeNull();
  });
});
