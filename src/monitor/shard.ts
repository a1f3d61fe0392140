import type { HealthReport } from '../domain/health.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { Prober, ProbeTarget } from '../ports/prober.ts';
import { watchCanary } from './canary.ts';
import type { Clock } from './clock.ts';
import type { Finding } from './detector.ts';
import type { MonitoredInstance } from './monitored.ts';
import { startReporter } from './reporter.ts';
import type { EvidenceSource } from './source.ts';
import { watchInstance } from './watch.ts';
import type { Watch } from './watch.ts';

/** What a shard tells its caller from time to time: small, it rides in a heartbeat. */
export type ShardCursor = {
  readonly epoch: number;
  readonly seq: number;
  readonly watching: number;
  readonly blind: boolean;
  /** Reports given up after all retries. */
  readonly givenUp: number;
};

export type ShardOptions = {
  /** `north`, `south`...: the point all probes of this shard are made from. */
  readonly vantage: string;
  /** A later attempt outranks an earlier one; see `HealthReport.epoch`. */
  readonly epoch: number;
  /** Read again twice a second; an instance that is listed anew or has changed starts over. */
  readonly instances: () => readonly MonitoredInstance[];
  readonly prober: Prober;
  /** Brings a report to the hosted VM's workflow. Rejected ones are sent again. */
  readonly send: (report: HealthReport) => Promise<void>;
  /** Called once a second. */
  readonly beat: (cursor: ShardCursor) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Known-good targets: when none answers, this monitor is blind and says `unknown`. */
  readonly canaries?: readonly ProbeTarget[];
  /** Heartbeats, the cluster's view, demand: to one shard of the fleet only. */
  readonly sources?: readonly EvidenceSource[];
  /** Everything is said again this often, because signals are lost sometimes. */
  readonly repeatMs?: number;
};

const refreshMs = 500;
const beatMs = 1_000;
const defaultRepeatMs = 15 * 60_000;

/**
 * Watches the instances of one shard until the signal, then resolves. Reports changes only, and everything once at the
 * start: a monitor that has just started says what it sees, whatever its predecessor said.
 */
export function monitorShard(options: ShardOptions): Promise<void> {
  const { clock, prober, signal, vantage } = options;
  const probes = { vantage, kind: 'probe' } as const;
  const reporter = startReporter(options);
  const watches = new Map<InstanceId, { readonly monitored: MonitoredInstance; readonly watch: Watch }>();
  const blindText = 'this monitor cannot see its canary';

  const canary = watchCanary({
    targets: options.canaries ?? [],
    prober,
    clock,
    signal,
    onChange: () => watches.forEach(({ watch }) => watch.lose(canary.blind() ? blindText : 'sight has just returned')),
  });

  function watchOne(monitored: MonitoredInstance): void {
    const { instance } = monitored;
    const watch = watchInstance(monitored, {
      vantage,
      prober,
      clock,
      sight: () => canary.sight(),
      onFinding: (finding) => {
        const said = canary.blind()
          ? { finding: 'unknown' as const, sinceMs: clock.now(), evidence: blindText }
          : finding;
        // Between sight returning and the first probes nothing is new.
        if (said.finding !== 'unknown' || canary.blind()) reporter.tell(probes, instance, said);
      },
    });
    watches.set(instance, { monitored, watch });
  }

  function refresh(): void {
    const wanted = new Map(options.instances().map((monitored) => [monitored.instance, monitored]));
    for (const [instance, { monitored, watch }] of watches) {
      const now = wanted.get(instance);
      if (now !== undefined && sameProbes(now, monitored)) continue;
      watch.stop();
      watches.delete(instance);
      if (now?.address !== monitored.address) reporter.forget(instance);
    }
    for (const [instance, monitored] of wanted) if (!watches.has(instance)) watchOne(monitored);
  }

  /** One look at a source. What it said something about before and does not any more is unknown again. */
  async function look(source: EvidenceSource, told: Set<InstanceId>): Promise<void> {
    const instances = options.instances();
    const nothing = (evidence: string): Finding => ({ finding: 'unknown', sinceMs: clock.now(), evidence });
    let findings: ReadonlyMap<InstanceId, Finding>;
    let otherwise = nothing('nothing is known any more');
    try {
      findings = await source.look(instances, clock.now());
    } catch (error) {
      findings = new Map();
      otherwise = nothing(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (signal.aborted) return;
    for (const { instance } of instances) {
      const finding = findings.get(instance);
      if (finding !== undefined) told.add(instance);
      else if (!told.delete(instance)) continue;
      reporter.tell(source.source, instance, finding ?? otherwise);
    }
  }

  function beat(): void {
    const { givenUp } = reporter.counts();
    options.beat({ epoch: options.epoch, seq: reporter.seq(), watching: watches.size, blind: canary.blind(), givenUp });
  }

  const timers = new Set<() => void>();

  /** Runs again and again, each time when the one before is over. */
  function every(ms: number, work: () => void | Promise<void>): void {
    const callOff = clock.after(ms, () => {
      timers.delete(callOff);
      void Promise.resolve(work()).then(() => {
        if (!signal.aborted) every(ms, work);
      });
    });
    timers.add(callOff);
  }

  function begin(): void {
    refresh();
    beat();
    every(refreshMs, refresh);
    every(beatMs, beat);
    every(options.repeatMs ?? defaultRepeatMs, () => reporter.repeat());
    for (const source of options.sources ?? []) {
      const told = new Set<InstanceId>();
      void look(source, told);
      every(source.everyMs, () => look(source, told));
    }
  }

  return new Promise((resolve) => {
    const end = (): void => {
      timers.forEach((callOff) => callOff());
      watches.forEach(({ watch }) => watch.stop());
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    else begin();
  });
}

function sameProbes(a: MonitoredInstance, b: MonitoredInstance): boolean {
  return a.address === b.address && a.host === b.host && JSON.stringify(a.checks) === JSON.stringify(b.checks);
}
