import type { ActivityDeps } from '../../src/activities/deps.ts';
import type { UmbraEvent } from '../../src/domain/event.ts';
import type { WantedShadows } from '../../src/domain/plan.ts';
import type { HostedVmView } from '../../src/domain/view.ts';
import type { EvaluationRequest } from '../../src/ports/evaluator.ts';
import type { NameServer } from '../../src/ports/name-server.ts';
import { FakeHypervisor } from './fake-hypervisor.ts';
import { FakeNameServer } from './fake-name-server.ts';

/** A cluster, a name server and a store in memory, behind the same ports as the real ones. */
export class FakeWorld {
  readonly hypervisor = new FakeHypervisor('main');
  readonly dns = new FakeNameServer();
  /** A real one instead of `dns`, where the wire matters. */
  nameServer: NameServer | undefined;
  readonly views = new Map<string, HostedVmView>();
  readonly events: UmbraEvent[] = [];
  /** Asked of the store and refused while it is away. */
  storeAway = false;
  /** What the planner wants, whatever the demand. */
  wanted: WantedShadows[] = [
    { tier: 1, count: 1, warmth: 'hot', reason: { code: 'min-shadows', text: 'policy keeps 1 ready' } },
  ];
  demandQps = 40;
  p90 = 60;
  evaluations = 0;
  /** Health checks asked for by activities. */
  looks = 0;
  nextInMs = 600_000;

  deps(): ActivityDeps {
    return {
      hypervisorOf: () => Promise.resolve(this.hypervisor),
      nameServerOf: () => Promise.resolve(this.nameServer ?? this.dns),
      registry: {
        save: (view, events) => {
          if (this.storeAway) return Promise.reject(new Error('store is away'));
          if ((this.views.get(view.id)?.at ?? 0) <= view.at) this.views.set(view.id, view);
          for (const event of events) if (!this.events.some(({ id }) => id === event.id)) this.events.push(event);
          return Promise.resolve();
        },
      },
      hostedVmOf: (id) => Promise.resolve(this.views.get(id)),
      evaluator: { evaluate: (request) => Promise.resolve(this.evaluate(request)) },
      fleet: { chunks: () => [], forecastChunk: () => Promise.reject(new Error('the fleet is small')) },
      probe: ({ address }) => {
        this.looks += 1;
        const found = this.hypervisor.answering(address);
        const ok = found !== 'silent';
        return Promise.resolve({ ok, latencyMs: 1, detail: ok ? '200 OK in 1 ms' : 'connection refused' });
      },
    };
  }

  /** Kinds of the events written so far, in order. */
  kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }

  private evaluate({ now }: EvaluationRequest) {
    this.evaluations += 1;
    return {
      at: now,
      demandQps: this.demandQps,
      model: 'fake',
      peak: { p50: this.demandQps, p90: this.p90, p99: this.p90 * 1.2 },
      risk: { score: 0.1, overload: 0.05, failure: 0.05, parts: [], calibrated: false },
      plan: { wanted: this.wanted, reasons: this.wanted.map(({ reason }) => reason) },
      nextInMs: this.nextInMs,
    };
  }
}
