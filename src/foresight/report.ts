import { dayMs, hourMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { weightsText } from '../planning/risk/score.ts';
import { measureCalibration } from '../planning/risk/calibration.ts';
import type { BeliefStore } from '../ports/belief-store.ts';
import type { FitLedger } from '../ports/fit-ledger.ts';
import type { Choice, ForecastStore } from '../ports/forecast-store.ts';
import type { Need, OutcomeStore } from '../ports/outcome-store.ts';

/** What the report looks back on. */
const lookBackMs = 30 * dayMs;
const mostRisks = 50_000;
const mostMisses = 20;
/** Below this a score said "no need to hurry". */
const lowScore = 0.15;

export type ForesightReport = {
  /** Every model that competes: for how many it speaks, its loss against seasonal-naive, how often its p90 held. */
  readonly models: readonly {
    readonly model: string;
    readonly hostedVms: number;
    readonly relativeError: number | null;
    readonly coverage90: number | null;
    readonly coverage99: number | null;
    readonly steps: number;
  }[];
  readonly hostedVms: readonly {
    readonly id: string;
    /** Null before the first fit. */
    readonly model: string | null;
    readonly why: string;
    readonly chosenAt: EpochMs | null;
    /** Loss of each candidate on this demand, seasonal-naive = 1; ascending. */
    readonly standings: readonly { readonly model: string; readonly relative: number }[];
    readonly coverage90: number | null;
    readonly coverage99: number | null;
    readonly steps: number;
    readonly forecast: 'ok' | 'alarm' | 'off';
    readonly doubt: string | null;
    readonly capacity: string | null;
  }[];
  readonly reliability: readonly { readonly predicted: number; readonly observed: number; readonly count: number }[];
  readonly risk: {
    readonly outcomes: number;
    readonly needs: number;
    readonly brier: number | null;
    readonly skill: number | null;
    /** The score is corrected because it was off by more than 0.1 somewhere. */
    readonly corrected: boolean;
    /** Whose estimates the weights of health findings are, in words. */
    readonly healthWeights: string;
    readonly text: string;
  };
  readonly pool: { readonly hits: number; readonly misses: number; readonly idleHours: number };
  readonly misses: readonly {
    readonly hostedVmId: string;
    readonly at: EpochMs;
    readonly text: string;
    readonly known: string;
  }[];
};

export type ReportDeps = {
  readonly forecasts: Pick<ForecastStore, 'choices'>;
  readonly beliefs: Pick<BeliefStore, 'beliefs' | 'calibration' | 'healthWeights'>;
  readonly outcomes: Pick<OutcomeStore, 'risks' | 'needs' | 'coverage' | 'idleMs'>;
  readonly ledger: Pick<FitLedger, 'unfit'>;
  readonly hostedVmIds: () => Promise<readonly string[]>;
};

/** How far the forecasts can be trusted: what they said against what came. */
export async function reportForesight(deps: ReportDeps, now: EpochMs): Promise<ForesightReport> {
  const since = now - lookBackMs;
  const [ids, choices, beliefs, calibration, risks, needs, coverage, idleMs, unfit, healthWeights] = await Promise.all([
    deps.hostedVmIds(),
    deps.forecasts.choices(),
    deps.beliefs.beliefs(),
    deps.beliefs.calibration(),
    deps.outcomes.risks(mostRisks),
    deps.outcomes.needs(since),
    deps.outcomes.coverage(since),
    deps.outcomes.idleMs(since),
    deps.ledger.unfit(),
    deps.beliefs.healthWeights(),
  ]);
  const current = choices.filter(({ hostedVmId }) => ids.includes(hostedVmId));
  const measured = measureCalibration(risks);
  const corrected = (calibration?.steps.length ?? 0) > 0;
  return {
    models: modelsOf(current).map((each) => {
      const held = coverage.find(({ model }) => model === each.model);
      return {
        ...each,
        coverage90: held?.coverage90 ?? null,
        coverage99: held?.coverage99 ?? null,
        steps: held?.steps ?? 0,
      };
    }),
    hostedVms: ids.map((id) => {
      const choice = current.find(({ hostedVmId }) => hostedVmId === id);
      const { drift, learned } = beliefs.get(id) ?? {};
      return {
        id,
        model: choice?.model ?? null,
        why: choice?.reason.text ?? unfit.get(id) ?? 'not fitted yet',
        chosenAt: choice?.chosenAt ?? null,
        standings: choice === undefined ? [] : standingsOf(choice),
        coverage90: drift?.coverage90 ?? null,
        coverage99: drift?.coverage99 ?? null,
        steps: drift?.steps ?? 0,
        forecast: drift?.kind ?? 'ok',
        doubt: drift?.reason?.text ?? null,
        capacity: learned?.text ?? null,
      };
    }),
    reliability: measured.bins.map(({ mean, from, to, observed, count }) => ({
      predicted: count > 0 ? mean : (from + to) / 2,
      observed,
      count,
    })),
    risk: {
      outcomes: measured.outcomes,
      needs: measured.needs,
      brier: measured.outcomes === 0 ? null : measured.brier,
      skill: measured.skill,
      corrected,
      healthWeights: weightsText(healthWeights),
      text: riskText(measured, corrected),
    },
    pool: poolOf(needs, idleMs),
    misses: needs.filter(isMiss).slice(0, mostMisses).map(missOf),
  };
}

/** The numbers of the backtest that chose, as they stand in the reason. */
function standingsOf({ reason }: Choice): { model: string; relative: number }[] {
  return Object.entries(reason.facts ?? {})
    .flatMap(([model, relative]) => (typeof relative === 'number' && model !== 'days' ? [{ model, relative }] : []))
    .sort((left, right) => left.relative - right.relative);
}

/** Geometric mean over hosted VMs of the loss against seasonal-naive, and for how many each model speaks. */
function modelsOf(choices: readonly Choice[]): { model: string; hostedVms: number; relativeError: number | null }[] {
  const logs = new Map<string, number[]>(choices.map(({ model }) => [model, []]));
  for (const choice of choices) {
    for (const { model, relative } of standingsOf(choice)) {
      if (relative > 0) logs.set(model, [...(logs.get(model) ?? []), Math.log(relative)]);
    }
  }
  return [...logs]
    .map(([model, each]) => ({
      model,
      hostedVms: choices.filter((choice) => choice.model === model).length,
      relativeError: each.length === 0 ? null : Math.exp(each.reduce((sum, log) => sum + log, 0) / each.length),
    }))
    .sort((left, right) => (left.relativeError ?? Infinity) - (right.relativeError ?? Infinity));
}

function poolOf(needs: readonly Need[], idleMs: number): ForesightReport['pool'] {
  const hits = needs.filter(({ readyShadows }) => readyShadows > 0).length;
  return { hits, misses: needs.length - hits, idleHours: Number((idleMs / hourMs).toFixed(2)) };
}

/** No shadow was ready, or the score had said that there was no hurry. */
function isMiss({ readyShadows, score }: Need): boolean {
  return readyShadows === 0 || score < lowScore;
}

function missOf({ hostedVmId, at, text, known, readyShadows }: Need): ForesightReport['misses'][number] {
  return { hostedVmId, at, text: `${text}; ${readyShadows === 0 ? 'no shadow' : 'a shadow'} was ready.`, known };
}

function riskText(
  { outcomes, needs, brier, skill }: ReturnType<typeof measureCalibration>,
  corrected: boolean,
): string {
  if (outcomes === 0) return 'no evaluation is old enough to be compared with what came';
  const better = skill === null ? 'too few needs to tell its skill' : `skill ${skill.toFixed(2)} over the base rate`;
  const mended = corrected ? '; it was off and is corrected by isotonic regression' : '';
  return `${outcomes} evaluations, ${needs} needs: Brier score ${brier.toFixed(4)}, ${better}${mended}`;
}
