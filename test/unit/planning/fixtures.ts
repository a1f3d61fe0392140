import type { DemandSeries } from '../../../src/domain/demand.ts';
import type { HostedVmSpec, Policy } from '../../../src/domain/policy.ts';
import { dayMs, hourMs, minuteMs } from '../../../src/domain/time.ts';
import { quantileLevels } from '../../../src/domain/quantile.ts';
import type { QuantileForecast } from '../../../src/planning/forecast/model.ts';

export const now = Date.UTC(2026, 2, 3, 12, 0);
export const stepMs = 5 * minuteMs;

export const policy: Policy = {
  mode: 'act',
  riskThreshold: 0.3,
  volumeThreshold: { share: 0.8, quantile: 0.9 },
  tiers: [0.5, 1, 2],
  warmth: 'stopped',
  minShadows: 0,
  maxShadows: 3,
  probationMs: dayMs,
  keepDiskMs: 7 * dayMs,
  minDwellMs: hourMs,
  blockMs: hourMs,
};

export const spec: HostedVmSpec = {
  id: 'shop',
  names: ['shop.example.org'],
  zone: 'example.org',
  ttlSeconds: 30,
  primary: { cluster: 'lab', vmid: 101 },
  capacityQps: 100,
  storageClass: 'stateless',
  checks: [],
  policy,
  events: [],
  timeZone: 'UTC',
};

/** A small deterministic generator (mulberry32): uniform in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Demand with a daily wave and noise, ending at `now`. */
export function dailyDemand(
  days: number,
  options: { level?: number; noise?: number; seed?: number; step?: number } = {},
): DemandSeries {
  const { level = 50, noise = 0.1, seed = 7, step = stepMs } = options;
  const random = seeded(seed);
  const steps = Math.round((days * dayMs) / step);
  const start = now - steps * step;
  const qps = Array.from({ length: steps }, (_, index) => {
    const hour = ((start + index * step) % dayMs) / hourMs;
    const wave = 1 - 0.6 * Math.cos((2 * Math.PI * (hour - 3)) / 24);
    return Math.max(0, level * wave * (1 + noise * (random() + random() + random() - 1.5)));
  });
  return { start, stepMs: step, qps };
}

/** A forecast of flat paths: p10, p50, p90, p95, p99. */
export function flatForecast(levels: readonly number[], steps = 72): QuantileForecast {
  return { model: 'test', start: now, stepMs, values: levels.map((value) => new Array<number>(steps).fill(value)) };
}

/** Every answer must be finite, not negative and not crossing. */
export function isPresentable({ values }: QuantileForecast): boolean {
  return (values[0] ?? []).every((_, step) =>
    quantileLevels.every((_level, index) => {
      const value = values[index]![step]!;
      return Number.isFinite(value) && value >= 0 && (index === 0 || value >= values[index - 1]![step]!);
    }),
  );
}
