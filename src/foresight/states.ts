import type { Choice, ForecastStore } from '../ports/forecast-store.ts';

/** A state is about half a megabyte of text. Small fleets read each once a day, large ones at every forecast. */
const mostKept = 64;

/** The fitted states in use, kept while their choice stands: the least recently used is let go first. */
export function keepStates(forecasts: Pick<ForecastStore, 'stateText'>): {
  /** JSON of the state of that choice or a newer one. */
  of(choice: Choice): Promise<string | undefined>;
} {
  const kept = new Map<string, { readonly chosenAt: number; readonly text: string }>();
  return {
    async of({ hostedVmId, chosenAt }) {
      const known = kept.get(hostedVmId);
      kept.delete(hostedVmId);
      const found = known?.chosenAt === chosenAt ? known : await forecasts.stateText(hostedVmId);
      if (found === undefined) return undefined;
      kept.set(hostedVmId, found);
      if (kept.size > mostKept) kept.delete(kept.keys().next().value!);
      return found.text;
    },
  };
}
