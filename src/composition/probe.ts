import type { Probe } from '../activities/deps.ts';
import { socketProber } from '../providers/probes/prober.ts';

const prober = socketProber();

/** One health check now, for the look again before a failover and for shadows that come up. */
export const probeOnce: Probe = async ({ address, check, host }, timeoutMs, signal) => {
  const { outcome, latencyMs, detail } = await prober.probe({ address, check, host }, timeoutMs, signal);
  return { ok: outcome === 'ok', latencyMs, detail };
};
