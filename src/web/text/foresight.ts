import type { ForesightAnswer } from '../api/wire.ts';
import { counted, formatPercent } from './numbers.ts';

/** A p90 that holds between these shares of the time is honest enough to plan on. */
const honest = { from: 0.85, to: 0.97 };

/** Can I trust the forecasts? */
export function foresightSentence(answer: ForesightAnswer): string {
  const models = (answer.models ?? []).filter((model) => model.coverage90 !== null);
  if (models.length === 0) return 'Not known yet: no forecast is old enough to be compared with what came.';
  const fleet = models.reduce((sum, model) => sum + model.hostedVms, 0);
  const covered =
    models.reduce((sum, model) => sum + (model.coverage90 ?? 0) * model.hostedVms, 0) / Math.max(1, fleet);
  const held = `demand stayed below the predicted p90 ${formatPercent(covered)} of the time on ${counted(fleet, 'hosted VM')}`;
  if (covered < honest.from) return `Not yet: ${held}; it should be 90%.`;
  return covered > honest.to ? `Yes, but they are cautious: ${held}.` : `Yes: ${held}.`;
}
