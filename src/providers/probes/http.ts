import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { isIP } from 'node:net';
import { judged, place, withDeadline } from './outcome.ts';
import type { ProbeResult, ProbeTarget } from '../../ports/prober.ts';

/** Healthy when the answer's status is 200 to 399, by its head alone; bodies are not read. */
export function probeHttp(target: ProbeTarget, timeoutMs: number, signal?: AbortSignal): Promise<ProbeResult> {
  const { check, address } = target;
  const where = place(target);
  const host = check.host ?? target.host ?? address;
  return withDeadline(where, timeoutMs, signal, (end) => {
    const options = {
      host: address,
      port: check.port,
      path: check.path ?? '/',
      // One connection for one probe: a kept one would hide that new ones are refused.
      agent: false as const,
      headers: { host, 'user-agent': 'umbra-probe', connection: 'close' },
    };
    const asked =
      check.tls === true
        ? // Whether the service answers is the question here, not whether its certificate is in order.
          secure({ ...options, rejectUnauthorized: false, ...(isIP(host) === 0 ? { servername: host } : {}) })
        : plain(options);
    asked.on('response', (response) => {
      const status = response.statusCode ?? 0;
      response.on('error', () => undefined);
      response.destroy();
      end(judged(status >= 200 && status < 400 ? 'ok' : 'wrong', `${status} on ${where}`));
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') end(judged('refused', `connection refused on ${where}`));
      else end(judged('wrong', `${error.code ?? error.message} on ${where}`));
    });
    asked.end();
    return () => asked.destroy();
  });
}
