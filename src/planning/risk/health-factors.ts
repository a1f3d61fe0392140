import { dayMs, hourMs, minuteMs } from '../../domain/time.ts';
import type { HealthWeights } from './health-weights.ts';

/** Health of the primary and its node as measured now. Everything optional: what is not known is left out and does not count. */
export type HealthFactors = {
  /** Share of time the guest waited for a CPU, 0..1 (steal or pressure stall). */
  readonly cpuPressure?: number;
  readonly memoryPressure?: number;
  readonly ioPressure?: number;
  /** Disk latency now over its usual value. */
  readonly diskLatencyRatio?: number;
  /** How long agent or heartbeat have been silent beyond their interval. */
  readonly silentMs?: number;
  /** Since the guest's process began: a start, a crash or a live migration. */
  readonly uptimeMs?: number;
  /** Share of the guest's memory in use, 0..1; counts its page cache where it has no balloon driver. */
  readonly memoryUsed?: number;
  /** Share of the node's memory in use, 0..1. */
  readonly nodeMemoryUsed?: number;
  readonly nodeOnline?: boolean;
  readonly nodeMaintenance?: boolean;
  readonly nodeFailuresLastMonth?: number;
  /** CPU of the guest, 0..1; the overload part when DNS demand does not explain the load. */
  readonly cpu?: number;
  readonly node?: string;
};

export type HealthTerm = { readonly code: string; readonly text: string; readonly logFactor: number };

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const often = (count: number): string => (count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`);
const ago = (ms: number): string =>
  ms < 2 * hourMs ? `${Math.round(ms / minuteMs)} min ago` : `${Math.round(ms / hourMs)} h ago`;
const times = (ratio: number): string => `${Number(ratio.toFixed(1))}x`;

type Covariate = {
  readonly code: string;
  /** Unit-free size of the effect, 0 when nothing is wrong. */
  readonly measure: (health: HealthFactors) => number;
  readonly say: (health: HealthFactors) => string;
  /** Log rate ratio: how much likelier a failure is per unit. Orders of magnitude: of published field studies of disks, memory and nodes, and our own estimates for the rest. */
  readonly weight: number;
};

const covariates: readonly Covariate[] = [
  {
    code: 'cpu-pressure',
    measure: ({ cpuPressure = 0 }) => Math.max(0, cpuPressure - 0.05) * 10,
    say: ({ cpuPressure = 0 }) => `CPU pressure ${percent(cpuPressure)}`,
    weight: 0.2,
  },
  {
    code: 'memory-pressure',
    measure: ({ memoryPressure = 0 }) => Math.max(0, memoryPressure - 0.05) * 10,
    say: ({ memoryPressure = 0 }) => `memory pressure ${percent(memoryPressure)}`,
    weight: 0.5,
  },
  {
    code: 'io-pressure',
    measure: ({ ioPressure = 0 }) => Math.max(0, ioPressure - 0.1) * 10,
    say: ({ ioPressure = 0 }) => `I/O pressure ${percent(ioPressure)}`,
    weight: 0.2,
  },
  {
    code: 'disk-latency',
    measure: ({ diskLatencyRatio = 1 }) => Math.log2(Math.max(1, diskLatencyRatio)),
    say: ({ diskLatencyRatio = 1 }) => `disk latency ${times(diskLatencyRatio)}`,
    weight: 0.9,
  },
  {
    code: 'silence',
    measure: ({ silentMs = 0 }) => Math.min(6, Math.max(0, silentMs) / 30_000),
    say: ({ silentMs = 0 }) => `guest silent for ${Math.round(silentMs / 1000)} s`,
    weight: 1.2,
  },
  {
    // What has just started has often just failed. Forgotten evenly over a day.
    code: 'restart',
    measure: ({ uptimeMs = dayMs }) => Math.max(0, 1 - uptimeMs / dayMs),
    say: ({ uptimeMs = dayMs }) => `started ${ago(uptimeMs)}`,
    weight: 0.9,
  },
  {
    // Small: a page cache fills memory on a machine that is well.
    code: 'memory',
    measure: ({ memoryUsed = 0 }) => Math.max(0, memoryUsed - 0.95) * 20,
    say: ({ memoryUsed = 0 }) => `memory ${percent(memoryUsed)} used`,
    weight: 0.3,
  },
  {
    // The kernel of a full node kills its largest process, which is a guest.
    code: 'node-memory',
    measure: ({ nodeMemoryUsed = 0 }) => Math.max(0, nodeMemoryUsed - 0.9) * 10,
    say: ({ node = '', nodeMemoryUsed = 0 }) => `memory of node ${node} ${percent(nodeMemoryUsed)} used`,
    weight: 1,
  },
  {
    code: 'node-offline',
    measure: ({ nodeOnline = true }) => (nodeOnline ? 0 : 1),
    say: ({ node = '' }) => `node ${node} is offline`,
    weight: 8,
  },
  {
    code: 'node-maintenance',
    measure: ({ nodeMaintenance = false }) => (nodeMaintenance ? 1 : 0),
    say: ({ node = '' }) => `node ${node} is in maintenance`,
    weight: 3,
  },
  {
    code: 'node-failures',
    measure: ({ nodeFailuresLastMonth = 0 }) => Math.log1p(Math.max(0, nodeFailuresLastMonth)),
    say: ({ node = '', nodeFailuresLastMonth = 0 }) => `node ${node} failed ${often(nodeFailuresLastMonth)} this month`,
    weight: 1.6,
  },
];

/** The weights as published or estimated; the fleet's own replace them once it has seen enough failures. */
export const priorWeights: HealthWeights = Object.fromEntries(covariates.map(({ code, weight }) => [code, weight]));

/** Sizes of what is found, by code: stored with an evaluation, so that weights can be learned from what came. */
export function healthCovariates(health: HealthFactors): Record<string, number> {
  return Object.fromEntries(
    covariates.flatMap(({ code, measure }) => {
      const size = measure(health);
      return Number.isFinite(size) && size > 0 ? [[code, Number(size.toPrecision(4))]] : [];
    }),
  );
}

/** The largest total a set of findings may multiply the failure rate by: e^12, about 160,000. */
const mostLogFactor = 12;

/** What each covariate adds to the log of the failure rate; only those that add something. */
export function healthTerms(health: HealthFactors, weights: HealthWeights = priorWeights): HealthTerm[] {
  const terms = covariates
    .map(({ code, measure, say, weight: prior }) => {
      const weight = weights[code] ?? prior;
      const size = measure(health);
      return { code, text: say(health), logFactor: Number.isFinite(size) ? size * weight : 0 };
    })
    .filter(({ logFactor }) => logFactor > 0);
  const total = terms.reduce((sum, { logFactor }) => sum + logFactor, 0);
  const shrink = total > mostLogFactor ? mostLogFactor / total : 1;
  return terms.map((term) => ({ ...term, logFactor: term.logFactor * shrink }));
}
