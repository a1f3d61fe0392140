import type { DemandNews } from '../domain/hosted-vm/messages.ts';
import type { EpochMs } from '../domain/time.ts';
import { minuteMs } from '../domain/time.ts';
import { capacityOf } from '../domain/traffic.ts';
import type { HostedVmView } from '../domain/view.ts';

/** What was last told to a hosted VM's workflow; news is a change of this. */
export type ToldDemand = { readonly at: EpochMs; readonly level: DemandLevel; readonly qps: number };

/** Where demand stands against the declared capacity of what serves. */
export type DemandLevel = 'calm' | 'volume-passed' | 'above-capacity';

/** A view carries no policy; the line of most policies is near enough to ask for an evaluation, which knows the policy. */
const volumeShare = 0.7;
/** Leaving a level needs this much less than entering it took, so that demand on the line does not chatter. */
const hysteresis = 0.85;
/** A rise or fall by this factor is news inside a level too: the plan was made for another demand. */
const surgeFactor = 1.5;
/** Below this share of capacity a factor says nothing: 1 q/s to 3 q/s is not a surge. */
const surgeFloor = 0.2;
/** Inside one level the same hosted VM is not told more often. */
const quietMs = 2 * minuteMs;

/**
 * Decides whether the demand of one hosted VM has changed enough to evaluate again now.
 * @param qps demand of the newest minute in queries per second; NaN (missing) is never news
 */
export function demandNews(
  view: HostedVmView,
  qps: number,
  told: ToldDemand | undefined,
  now: EpochMs,
): { readonly news: DemandNews; readonly told: ToldDemand } | undefined {
  if (!Number.isFinite(qps)) return undefined;
  const serving = view.instances.filter(({ id }) => view.serving.includes(id));
  const capacityQps = capacityOf(serving) || view.capacityQps;
  const level = levelOf(qps / capacityQps, told?.level ?? 'calm');
  const code = codeOf(level, qps, capacityQps, told, now);
  if (code === undefined) return undefined;
  const text = `demand is ${qps.toFixed(1)} q/s, ${Math.round((100 * qps) / capacityQps)} % of what serves now`;
  return { news: { at: now, qps, code, text }, told: { at: now, level, qps } };
}

function levelOf(share: number, known: DemandLevel): DemandLevel {
  const lineOf = (level: DemandLevel, line: number): number => (known === level ? line * hysteresis : line);
  if (share >= lineOf('above-capacity', 1)) return 'above-capacity';
  return share >= lineOf('volume-passed', volumeShare) ? 'volume-passed' : 'calm';
}

function codeOf(
  level: DemandLevel,
  qps: number,
  capacityQps: number,
  told: ToldDemand | undefined,
  now: EpochMs,
): string | undefined {
  if (level !== (told?.level ?? 'calm')) return level === 'calm' ? 'calmed' : level;
  if (told === undefined || now - told.at < quietMs) return undefined;
  const larger = Math.max(qps, told.qps);
  if (larger < surgeFloor * capacityQps) return undefined;
  if (qps >= told.qps * surgeFactor) return 'surge';
  return qps * surgeFactor <= told.qps ? 'collapsed' : undefined;
}
