import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import type { Evaluation } from '../../../src/domain/plan.ts';
import { minuteMs } from '../../../src/domain/time.ts';
import { judge } from '../../../src/foresight/judge.ts';
import type { JudgeDeps } from '../../../src/foresight/judge.ts';
import type { JudgedEvaluation, StepOutcome } from '../../../src/ports/outcome-store.ts';
import { now } from '../planning/fixtures.ts';

const evaluation: Evaluation = {
  ...{ at: now, demandQps: 40, model: 'umbra', peak: { p50: 40, p90: 60, p99: 80 }, nextInMs: 5 * minuteMs },
  risk: { score: 0.1, overload: 0.05, failure: 0.05, parts: [], calibrated: false },
  plan: { wanted: [], reasons: [] },
};
const said = { at: now - 10 * minuteMs, leadTimeMs: 5 * minuteMs, capacityQps: 100, readyShadows: 1 };

/** Calm at 40 q/s until the evaluation, 400 q/s after it, of which `established` come from known sources. */
function world(established: number) {
  const judged: JudgedEvaluation[] = [];
  const compared: StepOutcome[] = [];
  const series = ({ from, to, stepMs }: { from: number; to: number; stepMs: number }, late: number): DemandSeries => ({
    start: from,
    stepMs,
    qps: Array.from({ length: (to - from) / stepMs }, (_, i) => (from + i * stepMs >= said.at ? late : 40)),
  });
  const deps = {
    demand: {
      readMany: (query: { from: number; to: number; stepMs: number }) =>
        Promise.resolve(new Map([['shop', series(query, 400)]])),
      readMeasures: (query: { from: number; to: number; stepMs: number }) => {
        return Promise.resolve({
          deduplicated: series(query, 400),
          established: series(query, established),
          answers: series(query, 400),
          nxdomain: { ...series(query, 0), qps: [] },
          topSource: { ...series(query, 0), qps: [] },
        });
      },
    },
    registry: { events: () => Promise.resolve([]) },
    outcomes: {
      unjudged: () => Promise.resolve([{ ...said, hostedVmId: 'shop', evaluation, nextAt: null }]),
      judge: (more: readonly JudgedEvaluation[]) => Promise.resolve(void judged.push(...more)),
      risks: () => Promise.resolve([]),
      findings: () => Promise.resolve([]),
      tidy: () => Promise.resolve(),
      uncompared: (_ids: unknown, { to, stepMs }: { to: number; stepMs: number }) => {
        const at = to - stepMs;
        return Promise.resolve([{ hostedVmId: 'shop', at, model: 'umbra', issuedAt: at, p50: 40, p90: 60, p99: 80 }]);
      },
      compare: (more: readonly StepOutcome[]) => Promise.resolve(void compared.push(...more)),
      steps: () => Promise.resolve(new Map()),
    },
    beliefs: {
      beliefs: () => Promise.resolve(new Map()),
      setCalibration: () => Promise.resolve(),
      setHealthWeights: () => Promise.resolve(),
      setDrift: () => Promise.resolve(),
    },
    ledger: { hasten: () => Promise.resolve() },
    events: { append: () => Promise.resolve() },
    hostedVmIds: () => Promise.resolve(['shop']),
  } as unknown as JudgeDeps;
  return { deps, judged, compared };
}

describe('what was said is compared with demand as it is believed', () => {
  test('a flood from sources nobody knows is no need for a shadow and no miss of the forecast', async () => {
    const { deps, judged, compared } = world(40);
    await judge(deps, now);
    expect(judged).toMatchObject([{ hostedVmId: 'shop', needed: false }]);
    expect(compared[0]!.actual).toBeLessThan(60);
  });

  test('a crowd of known sources is both', async () => {
    const { deps, judged, compared } = world(390);
    await judge(deps, now);
    expect(judged).toMatchObject([{ hostedVmId: 'shop', needed: true }]);
    expect(compared[0]!.actual).toBeGreaterThanOrEqual(390);
  });
});
