import { predict } from '../../planning/forecast/speak.ts';
import type { PredictJob, Prediction } from '../../ports/forecaster.ts';

/** One forecast in a worker thread. */
export default function predictHere(job: PredictJob): Prediction {
  return predict(job);
}
