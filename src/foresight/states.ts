import type { Choice, ForecastStore } from '../ports/forecast-store.ts';
import type { FittedState } from '../ports/forecaster.ts';

/** A state is about a megabyte in memory. Small fleets read each once a day, large ones at every evaluation. */
const mostKept = 64;

/** The fitted states in use, kept while their choice stands: the least recently used is let go first. */
export function keepStates(forecasts: Pick<ForecastStore, 'chosen'>): {
  of(choice: Choice): Promise<FittedState | undefined>;
} {
  const kept = new Map<string, { readonly chosenAt: number; readonly state: FittedState }>();
  return {
    async of({ hostedVmId, chosenAt }) {
      const known = kept.get(hostedVmId);
      kept.delete(hostedVmId);
      const found = known?.chosenAt === chosenAt ? known : await forecasts.chosen(hostedVmId);
      if (found === undefined) return undefined;
      kept.set(hostedVmId, { chosenAt: found.chosenAt, state: found.state });
      if (kept.size > mostKept) kept.delete(kept.keys().next().value!);
      return found.state;
    },
  };
}
