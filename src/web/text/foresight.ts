import type { ForesightAnswer, HostedVmScore } from '../api/wire.ts';
import { counted, formatPercent } from './numbers.ts';

/** A p90 that holds between these shares of the time is honest enough to plan on. */
const honest = { from: 0.85, to: 0.97 };

/** Can I trust the forecasts? */
export function foresightSentence(answer: ForesightAnswer): string {
  const models = (answer.models ?? []).filter((model) => model.coverage90 !== null);
  if (models.length === 0) return notYet(answer.hostedVms ?? []);
  const fleet = models.reduce((sum, model) => sum + model.hostedVms, 0);
  // By steps, so that a model that nobody uses any more still counts for what it said.
  const weigh = (model: (typeof models)[number]): number => model.steps;
  const steps = models.reduce((sum, model) => sum + weigh(model), 0);
  const covered = models.reduce((sum, model) => sum + (model.coverage90 ?? 0) * weigh(model), 0) / Math.max(1, steps);
  const held = `demand stayed below the predicted p90 ${formatPercent(covered)} of the time on ${counted(fleet, 'hosted VM')}`;
  if (covered < honest.from) return `Not yet: ${held}; it should be 90%.`;
  return covered > honest.to ? `Yes, but they are cautious: ${held}.` : `Yes: ${held}.`;
}

/** Nothing has come yet that could be compared; the backtests that chose the models are all there is. */
function notYet(hostedVms: readonly HostedVmScore[]): string {
  const chosen = hostedVms.map(relativeOf).filter((relative) => relative !== null);
  const nothing = 'no forecast is old enough to be compared with what came';
  if (chosen.length === 0) return `Not known yet: ${nothing}.`;
  const mean = Math.exp(chosen.reduce((sum, relative) => sum + Math.log(Math.max(relative, 1e-3)), 0) / chosen.length);
  return `Not known yet: ${nothing}. On past demand of ${counted(chosen.length, 'hosted VM')} the models in use erred ${mean.toFixed(2)}\u00d7 as much as seasonal-naive.`;
}

/** The backtested loss of the model in use, seasonal-naive = 1. */
export function relativeOf({ model, standings }: HostedVmScore): number | null {
  return standings.find((each) => each.model === model)?.relative ?? null;
}

/** Those whose forecasts are in doubt first. */
export function byDoubt(a: HostedVmScore, b: HostedVmScore): number {
  const order = ['off', 'alarm', 'ok'];
  return order.indexOf(a.forecast) - order.indexOf(b.forecast) || a.id.localeCompare(b.id);
}
