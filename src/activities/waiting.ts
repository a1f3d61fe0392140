import { setTimeout as delay } from 'node:timers/promises';
import type { Instance } from '../domain/instance.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Probe } from './deps.ts';
import { lookAt } from './looking.ts';

/** A guest that boots is asked this often. */
const askEveryMs = 500;
/** Answers in a row before it counts: the first may come from a service that is still starting. */
const answersInARow = 2;

/** Asks until it answers steadily. @returns false when it does not within `withinMs` */
export async function becomesHealthy(
  probe: Probe,
  spec: HostedVmSpec,
  instance: Instance,
  withinMs: number,
  beat: () => void,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + withinMs;
  for (let inARow = 0; performance.now() < until;) {
    beat();
    const { answers } = await lookAt(probe, spec, instance, askEveryMs * 4, signal);
    inARow = answers ? inARow + 1 : 0;
    if (inARow >= answersInARow) return true;
    await delay(answers ? 50 : askEveryMs, undefined, { signal });
  }
  return false;
}
