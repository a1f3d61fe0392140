import { describe, expect, test } from '@jest/globals';
import { minuteMs } from '../../../src/domain/time.ts';
import { missingSpans, onOneTimeLine, plotTable, roundAbove } from '../../../src/web/plot/model.ts';
import { hostedVmPath, hrefWith, parseRoute } from '../../../src/web/route.ts';
import { commandPlan } from '../../../src/web/text/commands.ts';
import { demandPlot } from '../../../src/web/text/demand-plot.ts';
import { fleetView, forecastFrom, happened } from '../../e2e/dashboard-fleet.ts';

const now = Date.UTC(2026, 10, 22, 12);

describe('a plot', () => {
  test('tells a gap from a time that belongs to another series', () => {
    const line = onOneTimeLine([
      { times: [0, 10, 20], values: [1, null, 3] },
      { times: [20, 30], values: [7, 8] },
    ]);
    expect(line.times).toEqual([0, 10, 20, 30]);
    expect(line.values).toEqual([
      [1, null, 3, undefined],
      [undefined, undefined, 7, 8],
    ]);
  });

  test('joins missing steps into spans', () => {
    expect(missingSpans(100, 10, [null, null, 1, null])).toEqual([
      { from: 100, to: 120 },
      { from: 130, to: 140 },
    ]);
  });

  test.each([
    [0, 1],
    [1000, 1500],
    [190, 200],
    [0.7, 0.8],
  ])('an axis that must hold %p ends at %p', (value, end) => expect(roundAbove(value)).toBeCloseTo(end));

  test('of demand has capacity in view, the future from now on, gaps and events of its time', () => {
    const demand = { start: now - 3 * minuteMs, stepMs: minuteMs, qps: [400, null, 420] };
    const events = [
      happened('a', 'shop', now - minuteMs, 'failover-decided', 'moving'),
      happened('b', 'shop', 0, 'old', 'long ago'),
    ];
    const plot = demandPlot({ demand, imputed: null, forecast: forecastFrom(now), capacityQps: 1000 }, events, now);
    expect(plot).toMatchObject({ reach: 1000, now });
    expect(plot.missing).toEqual([{ from: now - 2 * minuteMs, to: now - minuteMs }]);
    expect(plot.marks.map((mark) => [mark.label, mark.tone])).toEqual([['failover-decided: moving', 'warning']]);
    expect(plot.series.map((series) => series.label)).toEqual(['Demand', 'p10', 'p50', 'p90', 'p99', 'Capacity']);
    const { rows, every } = plotTable(plot, 100);
    expect(every).toBe(1);
    expect(rows.map((row) => row.cells[0]).slice(0, 4)).toEqual(['400 q/s', 'no data', '420 q/s', '']);
    expect(plotTable(plot, 10).rows.length).toBeLessThanOrEqual(10);
  });

  test('of demand shows what a silent edge would have added, beside what was counted', () => {
    const demand = { start: now - 2 * minuteMs, stepMs: minuteMs, qps: [400, 250] };
    const imputed = { ...demand, qps: [400, 410] };
    const plot = demandPlot({ demand, imputed, forecast: null, capacityQps: 1000 }, [], now);
    expect(plot.series[0]!.values).toEqual([400, 250]);
    expect(plot.series.at(-1)).toMatchObject({ label: 'With silent edges', stroke: 'dashed', values: [400, 410] });
  });
});

describe('an address', () => {
  test.each([
    ['/', 'fleet', ''],
    ['/vm/shop?range=24h', 'hosted-vm', 'shop'],
    ['/vm/a%20b/', 'hosted-vm', 'a b'],
    ['/capacity/', 'capacity', ''],
    ['/nowhere', 'not-found', ''],
  ])('%p is page %p of %p', (url, page, id) => expect(parseRoute(url)).toMatchObject({ page, id }));

  test('leaves out what is empty and keeps what was there', () => {
    const { query } = parseRoute('/?q=shop&page=2');
    expect(hrefWith('/', query, { page: '', state: 'probation' })).toBe('/?q=shop&state=probation');
    expect(hostedVmPath('a b')).toBe('/vm/a%20b');
  });
});

describe('the plan of a command', () => {
  test('names both places and says whether the shadow carries the prediction', () => {
    const plan = commandPlan('failover', fleetView('shop', now), 'shop/1');
    expect(plan.changes[0]).toBe(
      'Answers for shop.example.net change from 127.10.0.11 (shop/0, 1×, on pve1) to 127.10.1.11 (shop/1, 1×, on pve2).',
    );
    expect(plan.verdict.map(({ ok }) => ok)).toEqual([true, true]);
  });

  test('warns when the chosen shadow is too small or its data may be older', () => {
    const view = fleetView('shop', now, { storageClass: 'replicated' });
    const instances = view.instances.map((each) => (each.n === 1 ? { ...each, capacityQps: 500 } : each));
    const plan = commandPlan('failover', { ...view, instances }, 'shop/1');
    expect(plan.verdict.map(({ ok }) => ok)).toEqual([false, false]);
  });
});
