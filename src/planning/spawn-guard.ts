import type { DemandSeries } from '../domain/demand.ts';
import type { Reason } from '../domain/reason.ts';
import { hourMs, minuteMs, secondMs } from '../domain/time.ts';

/** How fast demand from sources that nobody knows yet may raise what is planned for. */
export type SpawnPace = {
  readonly windowMs: number;
  /** 1.2: by a fifth a window. */
  readonly factor: number;
  /** From nothing, a factor leads nowhere: this much more a window is always allowed, in queries per second. */
  readonly floorQps: number;
};

/** `dns.md` 6: a fifth a window. A new source is established after three minutes, so a real crowd is believed by then. */
export const defaultPace: SpawnPace = { windowMs: minuteMs, factor: 1.2, floorQps: 0.5 };

/** A share that is this much above its usual has jumped: chance does not do that once there are enough answers. */
const jump = 0.25;
const enoughAnswers = 20;
/** How slowly the usual shares rise. After some hours of anything it is the usual, and the freeze ends. */
const usualMemoryMs = 2 * hourMs;
/** They fall sooner: a collector that has just started knows nobody, and an hour later that is no excuse any more. */
const calmMemoryMs = 5 * minuteMs;
/** A freeze holds demand where it was lately, not where a chance trough was: highs fade by half in this time. */
const highHalfLifeMs = 5 * minuteMs;
/** Demand now is the mean of this long. */
const nowMs = 30 * secondMs;

/** What a guard has to see of one hosted VM: measures of the demand store on one grid, in queries per second. */
export type DemandEvidence = {
  readonly deduplicated: DemandSeries;
  /** The part of `deduplicated` from sources known for a while or proven by TCP. */
  readonly established: DemandSeries;
  readonly answers: DemandSeries;
  /** Questions about its names that do not exist. */
  readonly nxdomain: DemandSeries;
  /** The part of `answers` that went to the largest source. */
  readonly topSource: DemandSeries;
};

/** The measures to read. */
export const evidenceMeasures = ['deduplicated', 'established', 'answers', 'nxdomain', 'topSource'] as const;

type Shares = { readonly newSources: number; readonly topSource: number; readonly nxdomain: number };

/** What the guard remembers from step to step. */
export type GuardState = {
  readonly believedQps: number;
  readonly recentHighQps: number;
  /** Undefined until the first answer. */
  readonly usual: Shares | undefined;
};

export type GuardedDemand = {
  /** What decisions may use. Never above what was counted. */
  readonly series: DemandSeries;
  /** Queries per second of the newest known step that were not believed; 0 when all were. */
  readonly heldBackQps: number;
  /** Why something was held back; undefined when nothing was. */
  readonly reason: Reason | undefined;
  readonly state: GuardState | undefined;
};

/**
 * Demand that decisions may use: all of it from established sources, and of the rest no more than the pace allows.
 * When the share of new sources, of one source or of names that do not exist jumps, DNS raises nothing at all until
 * the jump is over: only the guests' own traffic does. A flood so changes no plan; a crowd of real resolvers becomes
 * established in three minutes, its sources are then no news, and all of it counts.
 *
 * The first step is believed: there is nothing to compare it with.
 *
 * @param evidence any step; NaN is missing and changes nothing
 * @param from what was remembered at the step before the first
 */
export function guardDemand(evidence: DemandEvidence, from?: GuardState, pace: SpawnPace = defaultPace): GuardedDemand {
  const { start, stepMs, qps: counted } = evidence.deduplicated;
  let state = from;
  let heldBackQps = 0;
  let reason: Reason | undefined;
  const qps = counted.map((_, i) => {
    const step = stepOf(evidence, i);
    if (step === undefined) return NaN;
    const judged = judge(step, state, stepMs, pace);
    state = judged.state;
    reason = judged.reason;
    heldBackQps = step.countedQps - judged.state.believedQps;
    return judged.state.believedQps;
  });
  return { series: { start, stepMs, qps }, heldBackQps, reason, state };
}

export type BelievedDemand = {
  /** As `history`, guarded: what forecasts continue. */
  readonly recent: DemandSeries;
  /** Mean of the newest half minute, guarded; undefined while it is missing. */
  readonly demandQps: number | undefined;
  readonly reason: Reason | undefined;
};

/**
 * Guarded demand for one evaluation. The guard walks the history to learn what is usual and from there on the newest
 * minutes, step by fine step.
 *
 * @param history wide steps up to now; a day or more
 * @param newest narrow steps of the last minutes, beginning at a step of `history` or at its end
 * @param from what was remembered at the step before the first of `history`
 */
export function believedDemand(history: DemandEvidence, newest: DemandEvidence, from?: GuardState): BelievedDemand {
  const { start, stepMs } = history.deduplicated;
  const known = Math.max(0, Math.round((newest.deduplicated.start - start) / stepMs));
  const before = guardDemand(slicedEvidence(history, 0, known), from);
  const after = guardDemand(slicedEvidence(history, known), before.state);
  const now = guardDemand(newest, before.state);
  const lately = now.series.qps.slice(-Math.round(nowMs / now.series.stepMs)).filter(Number.isFinite);
  return {
    recent: { start, stepMs, qps: [...before.series.qps, ...after.series.qps] },
    demandQps: lately.length === 0 ? undefined : lately.reduce((sum, each) => sum + each, 0) / lately.length,
    reason: now.reason,
  };
}

type Step = {
  readonly countedQps: number;
  readonly establishedQps: number;
  readonly answers: number;
  readonly shares: Shares | undefined;
};

/** Zero where it is missing. */
function rateAt({ qps }: DemandSeries, i: number): number {
  const value = qps[i] ?? NaN;
  return Number.isFinite(value) ? value : 0;
}

function stepOf(evidence: DemandEvidence, i: number): Step | undefined {
  const countedQps = evidence.deduplicated.qps[i] ?? NaN;
  if (!Number.isFinite(countedQps)) return undefined;
  const establishedQps = Math.min(countedQps, rateAt(evidence.established, i));
  const answersQps = rateAt(evidence.answers, i);
  const nxdomainQps = rateAt(evidence.nxdomain, i);
  const asked = answersQps + nxdomainQps;
  return {
    countedQps,
    establishedQps,
    answers: (asked * evidence.deduplicated.stepMs) / secondMs,
    shares:
      asked === 0
        ? undefined
        : {
            newSources: countedQps === 0 ? 0 : 1 - establishedQps / countedQps,
            topSource: answersQps === 0 ? 0 : rateAt(evidence.topSource, i) / answersQps,
            nxdomain: nxdomainQps / asked,
          },
  };
}

function judge(
  step: Step,
  state: GuardState | undefined,
  stepMs: number,
  pace: SpawnPace,
): { state: GuardState; reason: Reason | undefined } {
  const { countedQps, establishedQps, shares } = step;
  if (state === undefined) {
    return { state: { believedQps: countedQps, recentHighQps: countedQps, usual: shares }, reason: undefined };
  }
  const usual = shares === undefined ? state.usual : followed(state.usual ?? shares, shares, stepMs);
  const jumped = step.answers < enoughAnswers ? undefined : jumpedShare(shares, state.usual);
  if (jumped !== undefined) {
    // Sources that were known before are no part of a jump of new ones.
    const knownQps = jumped.key === 'newSources' ? establishedQps : 0;
    const believedQps = Math.min(countedQps, Math.max(state.recentHighQps, knownQps));
    const frozen = { believedQps, recentHighQps: Math.max(state.recentHighQps, believedQps), usual };
    const heldBack = countedQps > believedQps;
    return { state: frozen, reason: heldBack ? frozenReason(jumped, believedQps, countedQps) : undefined };
  }
  const windows = stepMs / pace.windowMs;
  const paced = Math.max(state.believedQps * pace.factor ** windows, state.believedQps + pace.floorQps * windows);
  const believedQps = Math.min(countedQps, Math.max(paced, establishedQps));
  const recentHighQps = Math.max(believedQps, state.recentHighQps * 0.5 ** (stepMs / highHalfLifeMs));
  return {
    state: { believedQps, recentHighQps, usual },
    reason: countedQps > believedQps ? pacedReason(believedQps, countedQps, pace) : undefined,
  };
}

function followed(usual: Shares, now: Shares, stepMs: number): Shares {
  return {
    newSources: follow(usual.newSources, now.newSources, stepMs),
    topSource: follow(usual.topSource, now.topSource, stepMs),
    nxdomain: follow(usual.nxdomain, now.nxdomain, stepMs),
  };
}

function follow(usual: number, now: number, stepMs: number): number {
  const memoryMs = now > usual ? usualMemoryMs : calmMemoryMs;
  return usual + (1 - Math.exp(-stepMs / memoryMs)) * (now - usual);
}

const shareNames: Readonly<Record<keyof Shares, string>> = {
  newSources: 'new sources',
  topSource: 'one source',
  nxdomain: 'names that do not exist',
};

type Jumped = { readonly key: keyof Shares; readonly from: number; readonly to: number };

/** New sources come last: they alone leave something to believe. */
function jumpedShare(now: Shares | undefined, usual: Shares | undefined): Jumped | undefined {
  if (now === undefined || usual === undefined) return undefined;
  for (const key of ['topSource', 'nxdomain', 'newSources'] as const) {
    if (now[key] > usual[key] + jump) return { key, from: usual[key], to: now[key] };
  }
  return undefined;
}

function frozenReason({ key, from, to }: Jumped, believedQps: number, countedQps: number): Reason {
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  return {
    code: 'dns-demand-frozen',
    text: `the share of ${shareNames[key]} jumped from ${percent(from)} to ${percent(to)}: ${believedQps.toFixed(1)} of ${countedQps.toFixed(1)} q/s are planned for until it is known what they are`,
    facts: { believedQps, countedQps, usualShare: from, share: to },
  };
}

function pacedReason(believedQps: number, countedQps: number, pace: SpawnPace): Reason {
  const percent = Math.round((pace.factor - 1) * 100);
  const heldBackQps = countedQps - believedQps;
  return {
    code: 'unestablished-demand',
    text: `${heldBackQps.toFixed(1)} q/s come from sources nobody knows yet; planned for ${believedQps.toFixed(1)} q/s, at most ${percent} % more a minute`,
    facts: { believedQps, heldBackQps },
  };
}

/** Steps `from..to` of it. */
export function slicedEvidence(evidence: DemandEvidence, from: number, to?: number): DemandEvidence {
  const part = ({ start, stepMs, qps }: DemandSeries): DemandSeries => ({
    start: start + from * stepMs,
    stepMs,
    qps: qps.slice(from, to),
  });
  return {
    deduplicated: part(evidence.deduplicated),
    established: part(evidence.established),
    answers: part(evidence.answers),
    nxdomain: part(evidence.nxdomain),
    topSource: part(evidence.topSource),
  };
}
