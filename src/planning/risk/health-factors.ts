/** Health of the primary and its node as measured now. Everything optional: what is not known is left out and does not count. */
export type HealthFactors = {
  /** Share of time the guest waited for a CPU, 0..1 (steal or pressure stall). */
  readonly cpuPressure?: number;
  readonly memoryPressure?: number;
  readonly ioPressure?: number;
  /** Disk latency now over its usual value. */
  readonly diskLatencyRatio?: number;
  readonly ioErrors?: number;
  /** How long agent or heartbeat have been silent beyond their interval. */
  readonly silentMs?: number;
  readonly restartsLastDay?: number;
  readonly nodeMaintenance?: boolean;
  readonly nodeFailuresLastMonth?: number;
  /** CPU of the guest, 0..1; the overload part when DNS demand does not explain the load. */
  readonly cpu?: number;
  readonly node?: string;
};

export type HealthTerm = { readonly code: string; readonly text: string; readonly logFactor: number };

/** Log rate ratios: how much likelier a failure is per unit of each covariate. */
export type HealthWeights = Readonly<Record<(typeof covariates)[number]['code'], number>>;

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const times = (ratio: number): string => `${Number(ratio.toFixed(1))}x`;

type Covariate = {
  readonly code: string;
  /** Unit-free size of the effect, 0 when nothing is wrong. */
  readonly measure: (health: HealthFactors) => number;
  readonly say: (health: HealthFactors) => string;
  /** Starting log rate ratio per unit. Orders of magnitude from published field studies of disks, memory and nodes; replaced by the fleet's own regression. */
  readonly startingWeight: number;
};

const covariates = [
  {
    code: 'cpu-pressure',
    measure: ({ cpuPressure = 0 }) => Math.max(0, cpuPressure - 0.05) * 10,
    say: ({ cpuPressure = 0 }) => `CPU pressure ${percent(cpuPressure)}`,
    startingWeight: 0.2,
  },
  {
    code: 'memory-pressure',
    measure: ({ memoryPressure = 0 }) => Math.max(0, memoryPressure - 0.05) * 10,
    say: ({ memoryPressure = 0 }) => `memory pressure ${percent(memoryPressure)}`,
    startingWeight: 0.5,
  },
  {
    code: 'io-pressure',
    measure: ({ ioPressure = 0 }) => Math.max(0, ioPressure - 0.1) * 10,
    say: ({ ioPressure = 0 }) => `I/O pressure ${percent(ioPressure)}`,
    startingWeight: 0.2,
  },
  {
    code: 'disk-latency',
    measure: ({ diskLatencyRatio = 1 }) => Math.log2(Math.max(1, diskLatencyRatio)),
    say: ({ diskLatencyRatio = 1 }) => `disk latency ${times(diskLatencyRatio)}`,
    startingWeight: 0.9,
  },
  {
    code: 'io-errors',
    measure: ({ ioErrors = 0 }) => Math.log1p(Math.max(0, ioErrors)),
    say: ({ ioErrors = 0 }) => `${ioErrors} I/O errors`,
    startingWeight: 1.6,
  },
  {
    code: 'silence',
    measure: ({ silentMs = 0 }) => Math.min(6, Math.max(0, silentMs) / 30_000),
    say: ({ silentMs = 0 }) => `guest silent for ${Math.round(silentMs / 1000)} s`,
    startingWeight: 1.2,
  },
  {
    code: 'restarts',
    measure: ({ restartsLastDay = 0 }) => Math.log1p(Math.max(0, restartsLastDay)),
    say: ({ restartsLastDay = 0 }) => `${restartsLastDay} restarts in a day`,
    startingWeight: 1.3,
  },
  {
    code: 'node-maintenance',
    measure: ({ nodeMaintenance = false }) => (nodeMaintenance ? 1 : 0),
    say: ({ node = 'node' }) => `${node} is in maintenance`,
    startingWeight: 3,
  },
  {
    code: 'node-failures',
    measure: ({ nodeFailuresLastMonth = 0 }) => Math.log1p(Math.max(0, nodeFailuresLastMonth)),
    say: ({ node = 'node', nodeFailuresLastMonth = 0 }) => `${node} failed ${nodeFailuresLastMonth} times this month`,
    startingWeight: 1.6,
  },
] as const satisfies readonly Covariate[];

export const healthCovariates: readonly Covariate[] = covariates;

export const startingWeights: HealthWeights = Object.fromEntries(
  covariates.map(({ code, startingWeight }) => [code, startingWeight]),
) as HealthWeights;

/** The largest total a set of findings may multiply the failure rate by: e^12, about 160,000. */
const mostLogFactor = 12;

/** What each covariate adds to the log of the failure rate; only those that add something. */
export function healthTerms(health: HealthFactors, weights: HealthWeights = startingWeights): HealthTerm[] {
  const terms = covariates
    .map(({ code, measure, say }) => {
      const size = measure(health);
      return { code, text: say(health), logFactor: Number.isFinite(size) ? size * weights[code] : 0 };
    })
    .filter(({ logFactor }) => logFactor > 0);
  const total = terms.reduce((sum, { logFactor }) => sum + logFactor, 0);
  const shrink = total > mostLogFactor ? mostLogFactor / total : 1;
  return terms.map((term) => ({ ...term, logFactor: term.logFactor * shrink }));
}
