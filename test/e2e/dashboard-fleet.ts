import type { DemandBatch } from '../../src/domain/demand.ts';
import { bucketMs } from '../../src/domain/demand.ts';
import type { UmbraEvent } from '../../src/domain/event.ts';
import type { Instance, InstanceState } from '../../src/domain/instance.ts';
import type { Evaluation } from '../../src/domain/plan.ts';
import { hourMs, minuteMs, secondMs } from '../../src/domain/time.ts';
import type { EpochMs } from '../../src/domain/time.ts';
import type { HostedVmView } from '../../src/domain/view.ts';
import type { ForesightReport } from '../../src/foresight/report.ts';

/** What a registry would hold of a hosted VM on node `pve1` with one warm 1x shadow on `pve2`. */
export function fleetView(id: string, at: EpochMs, more: Partial<HostedVmView> = {}): HostedVmView {
  return {
    id,
    names: [`${id}.example.net`, `*.${id}.example.net`],
    storageClass: 'stateless',
    mode: 'act',
    state: 'protected',
    sentence: `${id}/0 serves. ${id}/1 stands ready.`,
    phase: { kind: 'guarded', since: at - 90 * hourMs },
    paused: null,
    instances: [
      instance(id, 0, 'primary', 'pve1', { kind: 'serving', since: at - 90 * hourMs }),
      instance(id, 1, 'shadow', 'pve2', { kind: 'warm', since: at - 3 * hourMs, warmth: 'hot' }),
    ],
    serving: [`${id}/0`],
    capacityQps: 1000,
    evaluation: evaluation(at, 0.22),
    generation: 12,
    probationEndsAt: null,
    revision: 3,
    at,
    ...more,
  };
}

/** The same hosted VM after its primary has died: served by its shadow, 17 h of probation left. */
export function onProbation(id: string, at: EpochMs): HostedVmView {
  const endsAt = at + 17 * hourMs;
  const cause = { code: 'primary-silent', text: 'primary silent for 3.1 s at 3 of 3 vantage points' };
  return fleetView(id, at, {
    state: 'probation',
    sentence: `${id}/1 serves instead of ${id}/0; probation ends in 17h.`,
    phase: { kind: 'probation', since: at - 7 * hourMs, endsAt, former: `${id}/0`, cause },
    instances: [
      instance(id, 0, 'primary', 'pve1', { kind: 'fenced', since: at - 7 * hourMs, proof: 'pve1 is off for 61 s' }),
      instance(id, 1, 'shadow', 'pve2', { kind: 'serving', since: at - 7 * hourMs }),
    ],
    serving: [`${id}/1`],
    probationEndsAt: endsAt,
  });
}

export function unprotected(id: string, at: EpochMs): HostedVmView {
  const view = fleetView(id, at, { state: 'unprotected', evaluation: evaluation(at, 0.72) });
  return { ...view, sentence: `${id}/0 serves. No shadow stands ready.`, instances: view.instances.slice(0, 1) };
}

/** A large fleet in which nearly everything is well. */
export function thousand(at: EpochMs): HostedVmView[] {
  return Array.from({ length: 1_000 }, (_, index) => {
    const id = `vm-${String(index).padStart(4, '0')}`;
    return index % 250 === 17 ? unprotected(id, at) : fleetView(id, at);
  });
}

export function happened(id: string, hostedVmId: string, at: EpochMs, kind: string, text: string): UmbraEvent {
  return { id, at, hostedVmId, kind, actor: 'workflow', reason: { code: kind, text }, facts: { generation: 12 } };
}

/** One hour of demand of some hosted VMs at 400 to 600 q/s, with ten minutes in which no edge looked. */
export function hourOfDemand(ids: readonly string[], now: EpochMs): DemandBatch {
  const end = Math.floor(now / bucketMs) * bucketMs;
  const starts = Array.from({ length: hourMs / bucketMs }, (_, index) => end - hourMs + index * bucketMs);
  const seen = starts.filter((at) => at < end - 40 * minuteMs || at >= end - 30 * minuteMs);
  return {
    edge: 'north',
    epoch: 1,
    seq: 1,
    buckets: seen.map((at) => ({
      ...{ edge: 'north', at, observedShare: 1, senders: 2, frames: 5_000, dropped: 0, late: 0, undecodable: 0 },
    })),
    counts: ids.flatMap((hostedVmId) =>
      seen.map((at) => {
        const answers = Math.round((500 + 100 * Math.sin(at / (7 * minuteMs))) * (bucketMs / secondMs));
        return {
          ...{ hostedVmId, at, answers, deduplicated: answers, estimatedQps: null, sources: 40 },
          ...{
            rcodes: { NOERROR: answers },
            types: { A: answers },
            tcp: 0,
            responseBytes: answers * 90,
            topShare: 0.1,
          },
        };
      }),
    ),
  };
}

/** Half an hour ahead in minutes: p10, p50, p90, p95, p99. */
export function forecastFrom(now: EpochMs) {
  const start = Math.floor(now / minuteMs) * minuteMs;
  const middle = Array.from({ length: 30 }, (_, step) => 500 + step * 4);
  const spread = [0.8, 1, 1.25, 1.3, 1.5];
  return { model: 'seasonal-naive', start, stepMs: minuteMs, values: spread.map((k) => middle.map((qps) => qps * k)) };
}

/** After some weeks: one model is believed, another missed too often and is not used. */
export function foresightReport(now: EpochMs): ForesightReport {
  const standings = [
    { model: 'umbra', relative: 0.62 },
    { model: 'seasonal-naive-day', relative: 1 },
  ];
  const shop = { id: 'shop', model: 'umbra', why: 'umbra: loss 0.62 of seasonal-naive-day', chosenAt: now - hourMs };
  const held = { coverage90: 0.91, coverage99: 0.99, steps: 2_016 };
  return {
    models: [
      { model: 'umbra', hostedVms: 1, relativeError: 0.62, ...held },
      { model: 'seasonal-naive-day', hostedVms: 1, relativeError: 1, coverage90: 0.5, coverage99: 0.8, steps: 40 },
    ],
    hostedVms: [
      { ...shop, ...held, standings, forecast: 'ok', doubt: null, capacity: '980 q/s at 95 % CPU, of 288 moments' },
      {
        ...{ ...shop, id: 'blog', model: 'seasonal-naive-day' },
        ...{ coverage90: 0.5, coverage99: 0.8, steps: 40, standings, forecast: 'off', capacity: null },
        doubt: 'demand passed p90 in 20 of 40 steps',
      },
    ],
    reliability: [
      { predicted: 0.02, observed: 0.01, count: 900 },
      { predicted: 0.15, observed: 0, count: 0 },
      { predicted: 0.6, observed: 0.5, count: 8 },
    ],
    risk: {
      ...{ outcomes: 908, needs: 13, brier: 0.0102, skill: 0.31, corrected: false },
      healthWeights:
        'health findings weigh as published estimates do, until 30 failures of this fleet are known (2 so far)',
      text: '908 evaluations, 13 needs: Brier score 0.0102, skill 0.31 over the base rate',
    },
    pool: { hits: 12, misses: 1, idleHours: 431.5 },
    misses: [
      {
        hostedVmId: 'blog',
        at: now - 2 * hourMs - minuteMs,
        text: 'demand of 640 q/s passed the 500 q/s that one carries; no shadow was ready.',
        known: 'risk 4; p90 98 q/s by seasonal-naive-day',
      },
    ],
  };
}

function instance(id: string, n: number, role: Instance['role'], node: string, state: InstanceState): Instance {
  const where = { cluster: 'lab', node, vmid: n === 0 ? 101 : 9000 + n, address: `127.10.${n}.11` };
  return { id: `${id}/${n}`, n, role, tier: 1, capacityQps: 1000, owned: true, state, ...where };
}

function evaluation(at: EpochMs, score: number): Evaluation {
  const parts = [
    { code: 'overload', points: score * 90, text: 'p90 reaches 74% of capacity' },
    { code: 'history', points: score * 10, text: '2 failures in 90 days' },
  ];
  return {
    at: at - 8 * secondMs,
    demandQps: 412,
    model: 'seasonal-naive',
    peak: { p50: 590, p90: 740, p99: 920 },
    risk: { score, overload: score * 0.9, failure: score * 0.1, parts, calibrated: false },
    plan: { wanted: [], reasons: [{ code: 'risk', text: 'one 1x shadow hot: risk is above the threshold of 15' }] },
    nextInMs: minuteMs,
  };
}
