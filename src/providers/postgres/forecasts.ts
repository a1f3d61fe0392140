import { dayMs } from '../../domain/time.ts';
import type { Choice, ChosenModel, ForecastStore, StoredForecast } from '../../ports/forecast-store.ts';
import type { Sql } from '../../ports/sql.ts';

/** Forecasts are compared with what came for this long; evaluations are small and are kept longer. */
const keepForecastsMs = 3 * dayMs;
const keepEvaluationsMs = 90 * dayMs;
/** Old rows are looked for at one save in this many. */
const tidyEvery = 100;

type ChoiceRow = { model: string; chosen_at: number; reason: ChosenModel['reason']; state: ChosenModel['state'] };
const choiceColumns =
  'select hosted_vm_id as "hostedVmId", model, chosen_at as "chosenAt", reason from forecast_choices';
type ForecastRow = { at: number; model: string; start: number; step_ms: number; quantiles: number[][] };

export function createForecastStore(sql: Sql): ForecastStore {
  const saves = { count: 0 };
  return {
    async chosen(hostedVmId) {
      const [row] = await sql.query<ChoiceRow>(
        'select model, chosen_at, reason, state from forecast_choices where hosted_vm_id = $1',
        [hostedVmId],
      );
      return row === undefined
        ? undefined
        : { hostedVmId, speaks: row.model, chosenAt: row.chosen_at, reason: row.reason, state: row.state };
    },
    async stateText(hostedVmId) {
      const [row] = await sql.query<{ chosenAt: number; text: string }>(
        'select chosen_at as "chosenAt", state::text as text from forecast_choices where hosted_vm_id = $1',
        [hostedVmId],
      );
      return row;
    },
    async choice(hostedVmId) {
      return (await sql.query<Choice>(`${choiceColumns} where hosted_vm_id = $1`, [hostedVmId]))[0];
    },
    choices: () => sql.query<Choice>(`${choiceColumns} order by hosted_vm_id`),
    async choose({ hostedVmId, state, speaks, chosenAt, reason }) {
      await sql.query(
        `insert into forecast_choices (hosted_vm_id, model, chosen_at, reason, state) values ($1, $2, $3, $4, $5)
         on conflict (hosted_vm_id) do update set model = excluded.model, chosen_at = excluded.chosen_at,
           reason = excluded.reason, state = excluded.state where excluded.chosen_at >= forecast_choices.chosen_at`,
        [hostedVmId, speaks ?? state.model, chosenAt, JSON.stringify(reason), JSON.stringify(state)],
      );
    },
    async save(hostedVmId, evaluation, forecast, circumstances) {
      const {
        leadTimeMs = null,
        capacityQps = null,
        readyShadows = null,
        expectedFailures = null,
        covariates,
      } = circumstances ?? {};
      await sql.query(
        `insert into evaluations (hosted_vm_id, at, evaluation, lead_ms, capacity_qps, ready, expected_failures, covariates)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
        [
          ...[hostedVmId, evaluation.at, JSON.stringify(evaluation), leadTimeMs, capacityQps, readyShadows],
          ...[expectedFailures, covariates === undefined ? null : JSON.stringify(covariates)],
        ],
      );
      if (forecast !== null) await insertForecast(sql, forecast);
      saves.count += 1;
      if (saves.count % tidyEvery !== 0) return;
      await sql.query('delete from forecasts where at < $1', [evaluation.at - keepForecastsMs]);
      await sql.query('delete from evaluations where at < $1', [evaluation.at - keepEvaluationsMs]);
    },
    async saveMany(forecasts, keepSince) {
      for (const forecast of forecasts) await insertForecast(sql, forecast);
      await sql.query('delete from forecasts where hosted_vm_id = any($1) and at < $2', [
        forecasts.map(({ hostedVmId }) => hostedVmId),
        keepSince,
      ]);
    },
    async newest(hostedVmId) {
      const [row] = await sql.query<ForecastRow>(
        'select at, model, start, step_ms, quantiles from forecasts where hosted_vm_id = $1 order by at desc limit 1',
        [hostedVmId],
      );
      if (row === undefined) return undefined;
      const { at, model, start } = row;
      return { hostedVmId, at, model, start, stepMs: row.step_ms, values: row.quantiles };
    },
  };
}

async function insertForecast(sql: Sql, forecast: StoredForecast): Promise<void> {
  // Three digits are more than a forecast knows, and a fifth of the bytes.
  const quantiles = forecast.values.map((path) => path.map((value) => Number(value.toPrecision(4))));
  await sql.query(
    `insert into forecasts (hosted_vm_id, at, model, start, step_ms, quantiles) values ($1, $2, $3, $4, $5, $6)
     on conflict do nothing`,
    [forecast.hostedVmId, forecast.at, forecast.model, forecast.start, forecast.stepMs, JSON.stringify(quantiles)],
  );
}
