/** One moment at which a guest's demand and CPU were both known. */
export type LoadPoint = { readonly qps: number; /** 0..1 of the guest's vCPUs. */ readonly cpu: number };

export type LearnedCapacity =
  | {
      readonly kind: 'learned';
      /** Demand at 85 % CPU, queries per second. */
      readonly capacityQps: number;
      readonly correlation: number;
      readonly points: number;
      readonly text: string;
    }
  /** DNS demand does not explain this VM's load: overload is judged on its CPU. */
  | { readonly kind: 'unexplained'; readonly correlation: number; readonly points: number; readonly text: string }
  | { readonly kind: 'too-little'; readonly points: number; readonly text: string };

/** CPU share at which a machine counts as saturated: above it, queues grow faster than demand. */
export const saturationCpu = 0.85;
/** Correlation below which demand does not explain the load. */
const leastCorrelation = 0.5;
/** A day of 5-minute points. */
const leastPoints = 288;
/** A line is not believed further than this many times the largest demand seen. */
const farthestExtrapolation = 10;

/** Regresses CPU on demand (least squares) and reads off the demand at which the machine saturates. */
export function learnCapacity(points: readonly LoadPoint[]): LearnedCapacity {
  const known = points.filter(({ qps, cpu }) => Number.isFinite(qps) && Number.isFinite(cpu) && qps >= 0 && cpu >= 0);
  const count = known.length;
  if (count < leastPoints) {
    return {
      kind: 'too-little',
      points: count,
      text: `${count} of ${leastPoints} moments with demand and CPU are known`,
    };
  }
  const mean = (pick: (point: LoadPoint) => number): number =>
    known.reduce((sum, point) => sum + pick(point), 0) / count;
  const meanQps = mean(({ qps }) => qps);
  const meanCpu = mean(({ cpu }) => cpu);
  const covariance = mean(({ qps, cpu }) => (qps - meanQps) * (cpu - meanCpu));
  const varianceQps = mean(({ qps }) => (qps - meanQps) ** 2);
  const varianceCpu = mean(({ cpu }) => (cpu - meanCpu) ** 2);
  const correlation = varianceQps > 0 && varianceCpu > 0 ? covariance / Math.sqrt(varianceQps * varianceCpu) : 0;
  const slope = varianceQps > 0 ? covariance / varianceQps : 0;
  const largest = Math.max(...known.map(({ qps }) => qps));
  const capacityQps = slope > 0 ? meanQps + (saturationCpu - meanCpu) / slope : Infinity;
  const r = correlation.toFixed(2);
  if (correlation < leastCorrelation || !(capacityQps > 0) || capacityQps > farthestExtrapolation * largest) {
    const text = `DNS demand does not explain this VM's load (r = ${r}); overload is judged on CPU`;
    return { kind: 'unexplained', correlation, points: count, text };
  }
  const text = `${Number(capacityQps.toPrecision(3))} q/s at ${saturationCpu * 100} % CPU, learned from ${count} moments (r = ${r})`;
  return { kind: 'learned', capacityQps, correlation, points: count, text };
}
