import { probeHttp } from './http.ts';
import { probeTcp } from './tcp.ts';
import type { Prober } from '../../ports/prober.ts';

/** Probes from this machine, over its own sockets. */
export function socketProber(): Prober {
  return {
    probe(target, timeoutMs, signal) {
      return target.check.kind === 'http' ? probeHttp(target, timeoutMs, signal) : probeTcp(target, timeoutMs, signal);
    },
  };
}
