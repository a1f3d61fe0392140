import type { HealthCheck } from '../../../src/domain/policy.ts';
import type { Clock } from '../../../src/monitor/clock.ts';
import type { MonitoredInstance } from '../../../src/monitor/monitored.ts';
import type { Prober, ProbeResult } from '../../../src/ports/prober.ts';

export type VirtualClock = Clock & { run(forMs: number): Promise<void> };

/** Time that passes only when told to; everything that is due runs in order, with its promises. */
export function virtualClock(startMs = 1_000_000): VirtualClock {
  let now = startMs;
  let order = 0;
  const due = new Map<number, { at: number; then: () => void }>();
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 12; i += 1) await Promise.resolve();
  };
  return {
    now: () => now,
    after(ms, then) {
      const id = (order += 1);
      due.set(id, { at: now + Math.max(0, ms), then });
      return () => void due.delete(id);
    },
    async run(forMs) {
      const end = now + forMs;
      await settle();
      for (;;) {
        const next = [...due]
          .filter(([, timer]) => timer.at <= end)
          .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
        if (next === undefined) break;
        due.delete(next[0]);
        now = Math.max(now, next[1].at);
        next[1].then();
        await settle();
      }
      now = end;
    },
  };
}

export type Behaviour = { kind: 'answers'; afterMs: number } | { kind: 'refuses' } | { kind: 'silent' };

/** Guests by address. A probe meets the guest as it is when the probe starts, and dies with it when it turns silent. */
export function virtualGuests(clock: Clock): {
  prober: Prober;
  set(address: string, behaviour: Behaviour): void;
  probes: { address: string; at: number }[];
} {
  const guests = new Map<string, Behaviour>();
  const probes: { address: string; at: number }[] = [];
  return {
    probes,
    set: (address, behaviour) => guests.set(address, behaviour),
    prober: {
      probe: (target, timeoutMs) => {
        const where = `${target.address}:${target.check.port}`;
        probes.push({ address: target.address, at: clock.now() });
        const guest = guests.get(target.address) ?? { kind: 'answers', afterMs: 2 };
        return new Promise<ProbeResult>((resolve) => {
          const after = (ms: number, outcome: ProbeResult['outcome'], detail: string) =>
            clock.after(ms, () => resolve({ outcome, latencyMs: ms, detail }));
          if (guest.kind === 'refuses') after(1, 'refused', `connection refused on ${where}`);
          else if (guest.kind === 'silent' || guest.afterMs >= timeoutMs)
            after(timeoutMs, 'silent', `no answer on ${where}`);
          else after(guest.afterMs, 'ok', `200 on ${where}`);
        });
      },
    },
  };
}

export const everySecond: HealthCheck = {
  kind: 'http',
  port: 80,
  intervalMs: 1_000,
  timeoutMs: 2_000,
  failures: 3,
  slowMs: 400,
};

export function monitored(n: number, more: Partial<MonitoredInstance> = {}): MonitoredInstance {
  return {
    instance: `vm${n}/0`,
    hostedVmId: `vm${n}`,
    address: `10.0.0.${n}`,
    checks: [everySecond],
    host: `vm${n}.example`,
    capacityQps: 100,
    serving: true,
    ...more,
  };
}
