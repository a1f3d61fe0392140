import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { LogEntry } from '@temporalio/worker';
import type { Logger } from 'pino';

/** Sends what Temporal's SDK and its core say into our log. Once per process, before anything else of the SDK. */
export function installTemporalLog(log: Logger): void {
  const logger = new DefaultLogger('INFO', ({ level, message, meta }: LogEntry) => {
    const facts = meta ?? {};
    if (level === 'ERROR') log.error(facts, message);
    else if (level === 'WARN') log.warn(facts, message);
    else log.debug(facts, message);
  });
  Runtime.install({
    logger,
    telemetryOptions: { logging: { forward: {}, filter: 'WARN' } },
    // We decide when to stop: a worker that shuts itself down at a signal would go before what depends on it.
    shutdownSignals: [],
  });
}
