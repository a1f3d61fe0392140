import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DemandSeries } from '../domain/demand.ts';
import { hourMs } from '../domain/time.ts';
import { believedDemand, guardDemand, slicedEvidence } from '../planning/spawn-guard.ts';
import type { BelievedDemand, DemandEvidence, GuardedDemand, GuardState } from '../planning/spawn-guard.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import { readEvidence } from './history.ts';
import type { EvidenceQuery } from './history.ts';

/** Steps judged in one turn of the event loop: a millisecond or two, even while the code is cold. */
const stepsATurn = 250;

type Guarded = Pick<GuardedDemand, 'series' | 'state'>;

/** As `guardDemand`, but four weeks of steps hold nothing up: a failover in the same process must not wait for them. */
export async function guardInTurns(evidence: DemandEvidence, from?: GuardState): Promise<Guarded> {
  const { start, stepMs, qps: counted } = evidence.deduplicated;
  const qps: number[] = [];
  let state = from;
  for (let at = 0; at < counted.length; at += stepsATurn) {
    const part = guardDemand(slicedEvidence(evidence, at, at + stepsATurn), state);
    qps.push(...part.series.qps);
    state = part.state;
    await nextTurn();
  }
  return { series: { start, stepMs, qps }, state };
}

/** As `believedDemand`, in turns. */
export async function believeInTurns(history: DemandEvidence, newest: DemandEvidence): Promise<BelievedDemand> {
  const { start, stepMs } = history.deduplicated;
  const known = Math.max(0, Math.round((newest.deduplicated.start - start) / stepMs));
  const before = await guardInTurns(slicedEvidence(history, 0, known));
  const rest = believedDemand(slicedEvidence(history, known), newest, before.state);
  return { ...rest, recent: { start, stepMs, qps: [...before.series.qps, ...rest.recent.qps] } };
}

/** What a guard learns from, before the steps that are asked about. */
const usualFromMs = 2 * hourMs;

/** Demand of a span as the spawn guard lets decisions see it. Never above what was counted. */
export async function guardedDemand(
  deps: { readonly demand: Pick<DemandStore, 'readMeasures'> },
  { hostedVmId, from, to, stepMs }: EvidenceQuery,
): Promise<DemandSeries> {
  const before = Math.ceil(usualFromMs / stepMs);
  const evidence = await readEvidence(deps, { hostedVmId, from: from - before * stepMs, to, stepMs });
  const { series } = await guardInTurns(evidence);
  return { start: series.start + before * stepMs, stepMs, qps: series.qps.slice(before) };
}
