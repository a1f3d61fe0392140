import { Context } from '@temporalio/activity';
import { beat, cancellation } from './attempt.ts';

export type Shard = { readonly vantage: string; readonly shard: number; readonly of: number };

/** Watches one shard until the signal aborts; the monitor's own code, bound to its stores and probers by composition. */
export type WatchShard = (
  watch: Shard & {
    /** Scheduled time of this attempt as the server gives it: outranks every earlier attempt. */
    readonly epoch: number;
    readonly beat: () => void;
    readonly signal: AbortSignal;
  },
) => Promise<void>;

export function createMonitorActivities(watch: WatchShard) {
  return {
    async monitorShard(shard: Shard): Promise<void> {
      const epoch = Context.current().info.currentAttemptScheduledTimestampMs;
      await watch({ ...shard, epoch, beat, signal: cancellation() });
    },
  };
}

export type MonitorActivities = ReturnType<typeof createMonitorActivities>;
