import type { HealthCheck } from '../domain/policy.ts';

export type ProbeTarget = {
  readonly address: string;
  readonly check: HealthCheck;
  /** HTTP only: asked for when the check names no host. */
  readonly host?: string;
};

/** `silent` is special: the result took the whole time that was allowed. */
export type ProbeOutcome = 'ok' | 'refused' | 'silent' | 'wrong';

export type ProbeResult = {
  readonly outcome: ProbeOutcome;
  /** From the first packet sent to the verdict. */
  readonly latencyMs: number;
  /** `connection refused on 127.10.0.11:8080`, `503 on 127.10.0.11:8080/health`; for `ok` too. */
  readonly detail: string;
};

/** Asks an instance whether it serves. */
export interface Prober {
  /** A fresh connection every time. Never rejects: whatever goes wrong is a result. */
  probe(target: ProbeTarget, timeoutMs: number, signal?: AbortSignal): Promise<ProbeResult>;
}
