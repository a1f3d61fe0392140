import { describe, expect, test } from '@jest/globals';
import { dayMs, hourMs, minuteMs, secondMs } from '../../../src/domain/time.ts';
import { edgesSentence } from '../../../src/web/text/edges.ts';
import { eventsAsCsv } from '../../../src/web/text/export.ts';
import { byWorst, fleetSentence, matches } from '../../../src/web/text/fleet.ts';
import { byDoubt, foresightSentence } from '../../../src/web/text/foresight.ts';
import { formatMiB, formatQps, formatRisk } from '../../../src/web/text/numbers.ts';
import { lookOf } from '../../../src/web/text/states.ts';
import { instanceWords } from '../../../src/web/text/instances.ts';
import { capacitySentence, lossOf } from '../../../src/web/text/what-if.ts';
import { formatLeftShort, formatRelative, formatWhen } from '../../../src/web/text/when.ts';
import { fleetView, happened, onProbation, unprotected } from '../../e2e/dashboard-fleet.ts';

const now = Date.UTC(2026, 10, 22, 12);

describe('numbers for an operator', () => {
  test.each([
    [null, 'no data'],
    [Number.NaN, 'no data'],
    [0, '0 q/s'],
    [0.4, '0.4 q/s'],
    [412.4, '412 q/s'],
    [1000, '1000 q/s'],
    [12_340, '12.3k q/s'],
    [2_500_000, '2.5M q/s'],
  ])('%p queries per second read %p', (qps, text) => expect(formatQps(qps)).toBe(text));

  test.each([
    [0, '0'],
    [0.003, '<1'],
    [0.22, '22'],
    [1, '100'],
  ])('a risk of %p reads %p', (score, text) => expect(formatRisk(score)).toBe(text));

  test('memory is told in GiB once there is one', () => {
    expect([formatMiB(512), formatMiB(2048)]).toEqual(['512 MiB', '2 GiB']);
  });
});

describe('moments for an operator', () => {
  test.each([
    [now, 'now'],
    [now - 8 * secondMs, '8 s ago'],
    [now - 90 * minuteMs, '1 h ago'],
    [now + 3 * hourMs, 'in 3 h'],
  ])('%p is %p', (at, text) => expect(formatRelative(at, now)).toBe(text));

  test('beyond a day the date is named', () => {
    expect(formatWhen(now - 3 * dayMs, now)).toMatch(/19/);
  });

  test('what is left is rounded to one unit', () => {
    expect(formatLeftShort(now + 17 * hourMs - 9 * secondMs, now)).toBe('17 h');
    expect(formatLeftShort(now + 40 * minuteMs, now)).toBe('40 min');
    expect(formatLeftShort(now - 1, now)).toBe('nothing');
  });
});

describe('the first line of the fleet', () => {
  test('counts by state, the calm ones first, and tells what is left of probation', () => {
    const views = [unprotected('mail', now), fleetView('shop', now), onProbation('blog', now), fleetView('api', now)];
    expect(fleetSentence(views, now)).toBe(
      '2 protected, 1 on its shadow (17 h of probation left), 1 without protection',
    );
  });

  test('says so when there is nothing', () => expect(fleetSentence([], now)).toBe('No hosted VM is known yet.'));

  test('the table puts the worst first, and the riskier first among equals', () => {
    const calm = fleetView('a', now);
    const risky = {
      ...fleetView('b', now),
      evaluation: { ...calm.evaluation!, risk: { ...calm.evaluation!.risk, score: 0.9 } },
    };
    const sorted = [calm, risky, onProbation('c', now), unprotected('d', now)].sort(byWorst);
    expect(sorted.map((view) => view.id)).toEqual(['d', 'c', 'b', 'a']);
  });

  test('is quiet about who is without a shadow because none is wanted at its risk', () => {
    const bare = unprotected('bare', now);
    const calm = { ...bare, evaluation: { ...bare.evaluation!, risk: { ...bare.evaluation!.risk, score: 0.01 } } };
    expect([lookOf(bare).tone, lookOf(calm).tone]).toEqual(['danger', 'paused']);
    expect([calm, onProbation('c', now)].sort(byWorst).map((view) => view.id)).toEqual(['c', 'bare']);
  });

  test.each([
    ['', '', true],
    ['SHOP', '', true],
    ['pve2', '', true],
    ['127.10.1.11', '', true],
    ['9001', 'protected', true],
    ['shop', 'probation', false],
    ['elsewhere', '', false],
  ])('a filter for %p in state %p finds it: %p', (q, state, found) => {
    expect(matches(fleetView('shop', now), { q, state })).toBe(found);
  });
});

describe('what if a node dies', () => {
  const views = [fleetView('shop', now), unprotected('mail', now), onProbation('blog', now)];

  test('a warm shadow elsewhere that carries the predicted p90 fits', () => {
    const [mail, shop] = lossOf('pve1', views);
    expect(mail).toMatchObject({ id: 'mail', fits: false, carriers: [] });
    expect(shop).toMatchObject({ id: 'shop', fits: true, carriesQps: 1000, needsQps: 740 });
  });

  test('a shadow on the same node helps nobody', () => {
    const near = fleetView('near', now);
    const together = { ...near, instances: near.instances.map((instance) => ({ ...instance, node: 'pve1' })) };
    expect(lossOf('pve1', [together])[0]).toMatchObject({ fits: false });
  });

  test('a shadow that is too small does not fit', () => {
    const small = fleetView('small', now);
    const instances = small.instances.map((each) => (each.n === 1 ? { ...each, capacityQps: 500 } : each));
    expect(lossOf('pve1', [{ ...small, instances }])[0]).toMatchObject({ fits: false, carriesQps: 500 });
  });

  test('a primary whose traffic was moved to something larger could take it back', () => {
    const moved = fleetView('moved', now, { serving: ['moved/1'] });
    const [loss] = lossOf('pve2', [moved]);
    expect(loss).toMatchObject({ fits: true, carriers: [{ id: 'moved/0' }] });
    expect(instanceWords(loss!.carriers[0]!)).toBe('standing by');
  });

  test('nobody has to imagine the loss of a node that is away already, and nothing fits on it', () => {
    const away = new Set(['pve2']);
    expect(lossOf('pve1', [fleetView('shop', now)], away)[0]).toMatchObject({ fits: false, carriers: [] });
    expect(capacitySentence([fleetView('shop', now)], away)).toBe(
      'pve2 is away already. If pve1 dies now, shop does not fit elsewhere.',
    );
  });

  test('is answered in one sentence', () => {
    expect(capacitySentence([fleetView('shop', now)])).toBe(
      'Any one of 2 nodes can die now: everything it serves fits on warm shadows elsewhere.',
    );
    expect(capacitySentence(views)).toBe(
      'If pve1 dies now, mail does not fit elsewhere. 1 other node would leave somebody without, too.',
    );
  });
});

describe('the other first lines', () => {
  const edge = { edge: 'north', lastBucketAt: now, framesPerSecond: 100, observedShare: 1, senders: 2, silent: false };

  test('edges', () => {
    expect(edgesSentence([])).toMatch(/demand is unknown everywhere/);
    expect(edgesSentence([edge])).toMatch(/^Yes: 1 edge reporting/);
    expect(edgesSentence([edge, { ...edge, edge: 'south', silent: true }])).toBe('Not all of it: south is silent.');
    expect(edgesSentence([{ ...edge, observedShare: 0.913 }])).toBe('Not all of it: north observes 91.3%.');
    expect(edgesSentence([{ ...edge, silent: true }])).toMatch(/^No: the only edge is silent/);
  });

  test('foresight', () => {
    const model = { model: 'ridge', hostedVms: 4, relativeError: 0.7, coverage90: 0.9, coverage99: 0.99, steps: 500 };
    expect(foresightSentence({})).toMatch(/^Not known yet/);
    expect(foresightSentence({ models: [model] })).toMatch(/^Yes: demand stayed below the predicted p90 90%/);
    expect(foresightSentence({ models: [{ ...model, coverage90: 0.6 }] })).toMatch(/^Not yet/);
    // A model that was believed for few steps says little, however many hosted VMs it speaks for.
    const rare = { ...model, model: 'rare', hostedVms: 90, coverage90: 0.1, steps: 1 };
    expect(foresightSentence({ models: [model, rare] })).toMatch(/^Yes: demand stayed below the predicted p90 90%/);
  });

  test('foresight before anything has come says how the models did on the past', () => {
    const standings = [
      { model: 'umbra', relative: 0.5 },
      { model: 'seasonal-naive-day', relative: 1 },
    ];
    const none = { coverage90: null, coverage99: null, steps: 0, why: '', doubt: null, capacity: null } as const;
    const hostedVms = [
      { ...none, id: 'a', model: 'umbra', standings, forecast: 'ok' },
      { ...none, id: 'b', model: 'seasonal-naive-day', standings, forecast: 'alarm' },
      { ...none, id: 'c', model: null, standings: [], forecast: 'ok' },
    ] as const;
    expect(foresightSentence({ hostedVms })).toMatch(
      /^Not known yet: .*On past demand of 2 hosted VMs the models in use erred 0.71× as much as seasonal-naive\.$/,
    );
    expect([...hostedVms].sort(byDoubt).map(({ id }) => id)).toEqual(['b', 'a', 'c']);
  });
});

describe('events as CSV', () => {
  test('quotes what needs it and keeps an operator\'s "formula" text', () => {
    const event = happened('e1', 'shop', now, 'paused', '=1+1, "really"');
    const [, row] = eventsAsCsv([event]).split('\r\n');
    expect(row).toContain(`"'=1+1, ""really"""`);
    expect(row).toContain('2026-11-22T12:00:00.000Z,shop,paused,workflow');
  });
});
