import type { HealthFinding, HealthReport } from '../../../src/domain/health.ts';
import type { VantageKind } from '../../../src/domain/vantage.ts';
import type { InstanceId } from '../../../src/domain/instance.ts';
import type { HealthCheck } from '../../../src/domain/policy.ts';
import { secondMs } from '../../../src/domain/time.ts';
import { judge, policyOf, unknownSince } from '../../../src/monitor/detector.ts';
import type { DetectorState } from '../../../src/monitor/detector.ts';
import type { Timetable } from './timetable.ts';

/** What one probe would see now. */
export type Seen = {
  readonly outcome: 'ok' | 'refused' | 'silent';
  readonly latencyMs: number;
  readonly detail: string;
};

export type Probed = { readonly id: InstanceId; readonly check: HealthCheck; readonly look: () => Seen };

/** After a change every detector has come to rest within this. */
const restlessMs = 20 * secondMs;
const vantages = ['north', 'south', 'east'] as const;

/** The product's detectors at three vantage points, fed with what each would see; only changes are told. */
export class Watchers {
  readonly blind = new Set<string>();
  readonly #states = new Map<string, DetectorState>();
  readonly #time: Timetable;
  readonly #probed: () => readonly Probed[];
  readonly #tell: (report: HealthReport) => void;
  #seq = 0;
  #restlessUntil = 0;
  #watching = false;

  constructor(time: Timetable, probed: () => readonly Probed[], tell: (report: HealthReport) => void) {
    this.#time = time;
    this.#probed = probed;
    this.#tell = tell;
  }

  /** Something has changed: probes are worth playing for a while. In between they would all say the same. */
  stir(): void {
    this.#restlessUntil = this.#time.now + restlessMs;
    if (this.#watching) return;
    this.#watching = true;
    this.#round(0);
  }

  report(
    instance: InstanceId,
    vantage: string,
    kind: VantageKind,
    to: HealthFinding,
    sinceMs: number,
    evidence: string,
  ): void {
    this.#seq += 1;
    this.#tell({
      instance,
      vantage,
      kind,
      to,
      epoch: 1,
      seq: this.#seq,
      observedAtMs: this.#time.now,
      sinceMs,
      evidence,
    });
  }

  /** A blind vantage point has lost its canary: it says that it knows nothing. */
  setBlind(vantage: string, blind: boolean): void {
    if (!(vantages as readonly string[]).includes(vantage)) throw new Error(`there is no vantage point ${vantage}`);
    if (!blind) {
      this.blind.delete(vantage);
      return;
    }
    this.blind.add(vantage);
    for (const { id } of this.#probed()) {
      this.#states.delete(`${vantage} ${id}`);
      this.report(id, vantage, 'probe', 'unknown', this.#time.now, 'the canary is not seen');
    }
  }

  /** Each vantage point probes in its own third of the second. */
  #round(which: number): void {
    const { now } = this.#time;
    if (which === 0 && now > this.#restlessUntil) {
      this.#watching = false;
      return;
    }
    const vantage = vantages[which]!;
    if (!this.blind.has(vantage)) for (const probed of this.#probed()) this.#probe(vantage, probed);
    this.#time.after(which === 2 ? 400 : 300, () => {
      this.#round((which + 1) % 3);
    });
  }

  #probe(vantage: string, { id, check, look }: Probed): void {
    const key = `${vantage} ${id}`;
    const { now } = this.#time;
    const known = this.#states.get(key) ?? unknownSince(now);
    const next = judge(known, policyOf(check), { at: now, ...look() }, { at: now, latencyMs: 1 });
    this.#states.set(key, next);
    if (next.finding === known.finding) return;
    this.report(id, vantage, 'probe', next.finding, next.sinceMs, next.evidence);
  }
}
