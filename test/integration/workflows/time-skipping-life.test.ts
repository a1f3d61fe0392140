import { expect, jest, test } from '@jest/globals';
import { eventually, quietly } from '../../support/stage.ts';
import type { Stage } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { describeTimeSkipping, timeSkippingServer } from '../../support/temporal.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(120_000);
quietly();

describeTimeSkipping('a whole life in virtual time', () => {
  const theatre = new Theatre(timeSkippingServer);
  let stage: Stage;

  test('promotes after 24 hours of good service, stops the old primary at once and deletes it after keepDiskDays', async () => {
    stage = theatre.stage(specOf('shop'));
    // Few evaluations: the time-skipping server loses its lock on the clock at some continue-as-news.
    stage.world.nextInMs = 6 * 3_600_000;
    const { hypervisor, dns } = stage.world;
    await stage.work();
    await stage.begin();
    await stage.protected();
    const failedAt = await theatre.env.currentTimeMs();
    hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    const probation = await stage.until('probation', ({ phase }) => phase.kind === 'probation');
    const endsAt = probation.phase.kind === 'probation' ? probation.phase.endsAt : 0;
    expect(endsAt - failedAt).toBeGreaterThanOrEqual(86_400_000);
    await stage.report('shop/1', 'healthy');

    await theatre.env.sleep('23 hours');
    expect((await stage.state()).phase.kind).toBe('probation');
    expect(hypervisor.guests.get(101)).toMatchObject({ power: 'stopped', marker: { role: 'primary' } });

    await theatre.env.sleep('70 minutes');
    const promoted = await stage.until('promotion', ({ phase }) => phase.kind === 'guarded');
    expect(promoted.instances.find(({ role }) => role === 'primary')?.id).toBe('shop/1');
    await eventually('the old primary is marked retired', () => hypervisor.guests.get(101)?.marker?.role === 'retired');
    await eventually('the new one is marked primary', () => hypervisor.guests.get(9001)?.marker?.role === 'primary');
    expect(hypervisor.guests.get(9001)?.protected).toBe(true);

    await theatre.env.sleep('6 days');
    expect(hypervisor.guests.has(101)).toBe(true);
    await theatre.env.sleep('30 hours');
    await eventually('the old primary is deleted', () => !hypervisor.guests.has(101));
    const last = await stage.until('it is forgotten', ({ instances }) => !instances.some(({ id }) => id === 'shop/0'));
    expect(last.serving).toEqual(['shop/1']);
    expect(dns.answers.every(({ a }) => a.length > 0)).toBe(true);
    expect(dns.answers.map(({ generation }) => generation)).toEqual([1, 2]);
    expect(hypervisor.calls.filter((call) => call.startsWith('delete'))).toEqual(['delete 101']);
  });
});
