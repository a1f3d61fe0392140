import type { HostedVmSpec } from '../../src/domain/policy.ts';

/** A stateless hosted VM of 100 q/s behind VM 101, with one shadow kept ready; whatever a test cares about is changed. */
export function specOf(id: string, changes: Partial<HostedVmSpec> = {}): HostedVmSpec {
  return {
    id,
    names: [`${id}.example.test`],
    zone: 'example.test',
    ttlSeconds: 5,
    primary: { cluster: 'main', vmid: 101, address: '10.0.0.11' },
    capacityQps: 100,
    storageClass: 'stateless',
    checks: [{ kind: 'http', port: 80, path: '/', intervalMs: 1000, timeoutMs: 1000, failures: 3 }],
    events: [],
    timeZone: 'UTC',
    ...changes,
    policy: {
      mode: 'act',
      riskThreshold: 0.5,
      volumeThreshold: { share: 0.8, quantile: 0.9 },
      tiers: [0.5, 1, 2],
      warmth: 'hot',
      minShadows: 1,
      maxShadows: 3,
      probationMs: 86_400_000,
      keepDiskMs: 7 * 86_400_000,
      minDwellMs: 600_000,
      blockMs: 1_800_000,
      ...changes.policy,
    },
  };
}
