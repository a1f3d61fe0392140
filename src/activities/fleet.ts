import { Context } from '@temporalio/activity';
import type { EpochMs } from '../domain/time.ts';
import type { ChunkReport, FleetForecaster } from '../ports/fleet-forecaster.ts';
import { cancellation } from './attempt.ts';

export function createFleetActivities({ fleet }: { readonly fleet: FleetForecaster }) {
  return {
    /** The fleet in chunks of hundreds; none while each evaluation makes its own forecast. */
    chunksOfFleet: (): Promise<string[][]> => Promise.resolve(fleet.chunks()),

    /** Forecasts a chunk and stores it. An attempt that was lost is taken up after the last hosted VM it told of. */
    forecastChunk({ hostedVmIds, now }: { hostedVmIds: readonly string[]; now: EpochMs }): Promise<ChunkReport> {
      const context = Context.current();
      const from = context.info.heartbeatDetails as ChunkReport | undefined;
      return fleet.forecastChunk(hostedVmIds, {
        now,
        ...(from === undefined ? {} : { from }),
        progress: (done) => context.heartbeat(done),
        signal: cancellation(),
      });
    },
  };
}

export type FleetActivities = ReturnType<typeof createFleetActivities>;
