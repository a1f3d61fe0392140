import type { HostedVmState } from '../hosted-vm.ts';
import type { Instance } from '../instance.ts';
import { instanceId } from '../instance.ts';
import type { HostedVmSpec } from '../policy.ts';
import type { EpochMs } from '../time.ts';

/** The state of a hosted VM that has just been applied: nothing known of its primary yet. */
export function adoptingState(spec: HostedVmSpec, revision: number, quorum: number, now: EpochMs): HostedVmState {
  return {
    schemaVersion: 1,
    spec,
    revision,
    phase: { kind: 'adopting', since: now },
    paused: null,
    instances: [originalOf(spec, now)],
    nextN: 1,
    serving: [],
    generation: null,
    evaluation: null,
    nextEvaluationAt: now,
    reports: [],
    inbox: [],
    failoversAt: [],
    blockedUntil: 0,
    failoverTokens: 0,
    seen: [],
    events: [],
    wouldHave: null,
    quorum,
    eventCount: 0,
    trouble: null,
    lookAgainAt: 0,
    detectedAt: null,
    breaker: null,
    tokensAskedAt: null,
    asked: [],
    told: {},
    drainedAt: 0,
    unhealthyAt: null,
    provisionFailuresAt: [],
    nextReconcileAt: 0,
    answersDueAt: null,
  };
}

function originalOf(spec: HostedVmSpec, now: EpochMs): Instance {
  return {
    id: instanceId(spec.id, 0),
    n: 0,
    role: 'primary',
    tier: 1,
    capacityQps: spec.capacityQps,
    cluster: spec.primary.cluster,
    vmid: spec.primary.vmid,
    ...(spec.primary.address === undefined ? {} : { address: spec.primary.address }),
    owned: false,
    state: { kind: 'serving', since: now },
  };
}
