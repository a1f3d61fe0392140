import { connect } from 'node:net';
import { judged, place, withDeadline } from './outcome.ts';
import type { ProbeResult, ProbeTarget } from '../../ports/prober.ts';

/** Healthy when a connection opens. A guest that accepts and then says nothing passes: use HTTP where the service speaks it. */
export function probeTcp(target: ProbeTarget, timeoutMs: number, signal?: AbortSignal): Promise<ProbeResult> {
  const where = place(target);
  return withDeadline(where, timeoutMs, signal, (end) => {
    const socket = connect({ host: target.address, port: target.check.port });
    socket.on('connect', () => end(judged('ok', `connected to ${where}`)));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') end(judged('refused', `connection refused on ${where}`));
      else end(judged('wrong', `${error.code ?? error.message} on ${where}`));
    });
    return () => socket.destroy();
  });
}
