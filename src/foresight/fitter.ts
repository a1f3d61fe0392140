import { startLoop } from '../background/loop.ts';
import type { UmbraEvent } from '../domain/event.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import { utcOffsetMs } from '../domain/local-time.ts';
import { dayMs, minuteMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { selectionOf } from '../planning/forecast/auto.ts';
import type { Selection } from '../planning/forecast/auto.ts';
import { withoutEvents } from '../planning/forecast/events.ts';
import { endOf, knownSteps } from '../planning/forecast/history.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { FitLedger } from '../ports/fit-ledger.ts';
import type { ForecastStore } from '../ports/forecast-store.ts';
import type { Forecaster } from '../ports/forecaster.ts';
import { nextFitAt } from './fit-schedule.ts';
import { guardInTurns } from './guarding.ts';
import { historyMs, horizonMs, readEvidence, sinceFirstQuery, stepMs } from './history.ts';

/** The first fit replays the past to judge the models, which costs seconds of CPU: it sees twelve days, enough for a week's pattern. */
const firstHistoryMs = 12 * dayMs;
/** A claim of a killed worker is given to another after this; a fit takes seconds. */
const claimMs = 10 * minuteMs;
const roundMs = 10_000;
/** Soon after the start, so that a fleet with a past has its models in the first minute. */
const firstRoundMs = 500;
/** Trouble with one hosted VM is not repeated at every round. */
const againMs = 10 * minuteMs;

export type FitterDeps = {
  readonly demand: Pick<DemandStore, 'readMeasures'>;
  readonly forecasts: Pick<ForecastStore, 'chosen' | 'choose'>;
  readonly ledger: FitLedger;
  readonly events: EventLog;
  readonly forecaster: Pick<Forecaster, 'fit'>;
  /** Every hosted VM that is guarded now. */
  readonly specs: () => Promise<readonly HostedVmSpec[]>;
  /** Unique among workers. */
  readonly holder: string;
  /** Fits at the same time; as many as there are threads. */
  readonly atOnce: number;
  readonly now: () => EpochMs;
  readonly log: (line: string, facts: object) => void;
};

export type Fitter = {
  /** One round: claims what is due, fits it, and goes on until nothing is due. @returns how many were fitted */
  round(): Promise<number>;
  stop(): Promise<void>;
};

/**
 * Fits and selects a model for each hosted VM in the background: the first as soon as there is history, then daily at a
 * time of its own. Several workers share the fleet through the ledger; the evaluator reads what was chosen.
 */
export function startFitter(deps: FitterDeps): Fitter {
  const stopping = new AbortController();
  const { signal } = stopping;

  const round = async (): Promise<number> => {
    const specs = new Map((await deps.specs()).map((spec) => [spec.id, spec]));
    let fitted = 0;
    const worker = async (): Promise<void> => {
      while (!signal.aborted && specs.size > 0) {
        const now = deps.now();
        const by = { holder: deps.holder, now, until: now + claimMs, limit: 1 };
        const [id] = await deps.ledger.claim([...specs.keys()], by);
        if (id === undefined) return;
        await fitOne(deps, specs.get(id)!, signal);
        fitted += 1;
      }
    };
    await Promise.all(Array.from({ length: deps.atOnce }, worker));
    return fitted;
  };

  const loop = startLoop({
    everyMs: roundMs,
    firstAfterMs: firstRoundMs,
    round,
    failed: (error) => {
      if (!signal.aborted) deps.log('fitting waits for the store; again in 10 s', { error: String(error) });
    },
  });
  return {
    round,
    stop: async () => {
      stopping.abort();
      await loop.stop();
    },
  };
}

/** Fits one claimed hosted VM, stores the choice, and settles the claim whatever happened. */
async function fitOne(deps: FitterDeps, spec: HostedVmSpec, signal: AbortSignal): Promise<void> {
  const { holder, ledger } = deps;
  const now = deps.now();
  try {
    const previous = await deps.forecasts.chosen(spec.id);
    const to = Math.floor(now / stepMs) * stepMs;
    const from = to - (previous === undefined ? firstHistoryMs : historyMs);
    // A flood of yesterday must not be expected today.
    const { series } = await guardInTurns(await readEvidence(deps, { hostedVmId: spec.id, from, to, stepMs }));
    const history = withoutEvents(sinceFirstQuery(series), spec.events);
    const knownMs = knownSteps(history.qps) * stepMs;
    const outcome = await deps.forecaster.fit(
      {
        model: 'auto',
        history,
        previous: previous?.state,
        horizonSteps: horizonMs / stepMs,
        utcOffsetMs: utcOffsetMs(endOf(history), spec.timeZone),
      },
      signal,
    );
    if (outcome.kind === 'unfit') {
      await ledger.settle(spec.id, { holder, dueAt: nextFitAt(spec.id, now, knownMs), unfit: outcome.why });
      return;
    }
    const selection = selectionOf(outcome.state);
    const speaks = selection?.chosen ?? outcome.state.model;
    const reason = selection?.reason ?? { code: 'model-chosen', text: `${speaks} was fitted` };
    await deps.forecasts.choose({ hostedVmId: spec.id, state: outcome.state, speaks, chosenAt: now, reason });
    await ledger.settle(spec.id, { holder, dueAt: nextFitAt(spec.id, now, knownMs) });
    const before = previous?.speaks;
    const facts = { hostedVmId: spec.id, model: speaks, cpuMs: Math.round(outcome.cpuMs), ...reason.facts };
    if (before === speaks) deps.log(`forecast of ${spec.id}: refitted, ${reason.text}`, facts);
    else {
      deps.log(
        `forecast of ${spec.id}: ${before === undefined ? 'first' : `was ${before}, now`} ${reason.text}`,
        facts,
      );
      await deps.events.append([choiceEvent(spec.id, now, speaks, before, selection, reason)]);
    }
  } catch (error) {
    if (signal.aborted) return await ledger.settle(spec.id, { holder, dueAt: now }).catch(() => undefined);
    deps.log(`forecast of ${spec.id} could not be fitted; again in 10 min`, { error: String(error) });
    await ledger.settle(spec.id, { holder, dueAt: now + againMs }).catch(() => undefined);
  }
}

function choiceEvent(
  hostedVmId: string,
  at: EpochMs,
  model: string,
  before: string | undefined,
  selection: Selection | undefined,
  reason: Selection['reason'],
): UmbraEvent {
  const from = before === undefined ? '' : `, after ${before}`;
  return {
    id: `${hostedVmId}/model/${at}`,
    at,
    hostedVmId,
    kind: 'model-chosen',
    actor: 'planner',
    reason: { ...reason, text: `${reason.text}${from}` },
    facts: {
      model,
      from: before ?? null,
      ...Object.fromEntries(selection?.standings.map((each) => [each.model, Number(each.relative.toFixed(3))]) ?? []),
    },
  };
}
