import type { SecondLook } from '../domain/hosted-vm/decision.ts';
import type { Instance } from '../domain/instance.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Probe } from './deps.ts';

/**
 * A second look has to be quick: the quorum has already waited for several whole time-outs. Whoever needs longer than
 * this has not answered; the look can only veto a failover, never cause one.
 */
export const secondLookMs = 400;

/** Asks one instance by all its health checks at once; it answers when all of them do. */
export async function lookAt(
  probe: Probe,
  spec: HostedVmSpec,
  instance: Instance,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<SecondLook> {
  const { address } = instance;
  if (address === undefined) return { instance: instance.id, answers: false, latencyMs: 0, detail: 'has no address' };
  const host = firstHost(spec);
  const answers = await Promise.all(
    spec.checks.map((check) => probe({ address, check, host }, Math.min(timeoutMs, check.timeoutMs), signal)),
  );
  const failed = answers.find(({ ok }) => !ok);
  const slowest = Math.max(0, ...answers.map(({ latencyMs }) => latencyMs));
  return {
    instance: instance.id,
    answers: failed === undefined,
    latencyMs: slowest,
    detail: failed?.detail ?? answers[0]?.detail ?? 'has no health check',
  };
}

/** The name that HTTP checks ask for when they name none; a wildcard's own domain stands for it. */
export function firstHost(spec: HostedVmSpec): string {
  return (spec.names[0] ?? spec.id).replace(/^\*\./, '');
}
