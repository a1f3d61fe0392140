import type {
  FindingOutcome,
  ModelCoverage,
  Need,
  OutcomeStore,
  JudgedEvaluation,
  StepOutcome,
  UnjudgedEvaluation,
} from '../../ports/outcome-store.ts';
import type { Sql } from '../../ports/sql.ts';

/** A forecast older than this says nothing any more about how good forecasts are. */
const staleForecastMs = 2 * 3_600_000;

const stepColumns = 'hosted_vm_id as "hostedVmId", at, model, issued_at as "issuedAt", actual, p50, p90, p99';

/** One array per column, as `unnest` takes them. */
function columns<Row>(rows: readonly Row[], keys: readonly (keyof Row)[]): unknown[][] {
  return keys.map((key) => rows.map((row) => row[key]));
}

export function createOutcomeStore(sql: Sql): OutcomeStore {
  return {
    unjudged: (until, limit) =>
      sql.query<UnjudgedEvaluation>(
        `select e.hosted_vm_id as "hostedVmId", e.at, e.evaluation, e.lead_ms as "leadTimeMs",
           e.capacity_qps as "capacityQps", e.ready as "readyShadows", next.at as "nextAt",
           e.expected_failures as "expectedFailures", e.covariates
         from evaluations e
         left join lateral (select min(n.at) as at from evaluations n
           where n.hosted_vm_id = e.hosted_vm_id and n.at > e.at) next on true
         where e.at + e.lead_ms <= $1
           and not exists (select from risk_outcomes o where o.hosted_vm_id = e.hosted_vm_id and o.at = e.at)
         order by e.at limit $2`,
        [until, limit],
      ),
    judge: async (judged) => {
      if (judged.length === 0) return;
      const keys: (keyof JudgedEvaluation)[] = [
        'hostedVmId',
        'at',
        'raw',
        'score',
        'needed',
        'needAt',
        'need',
        'known',
      ];
      await sql.query(
        `insert into risk_outcomes (hosted_vm_id, at, raw, score, needed, need_at, need, known, ready, idle_ms, failed_at,
           expected_failures, covariates)
         select * from unnest($1::text[], $2::bigint[], $3::real[], $4::real[], $5::boolean[], $6::bigint[],
           $7::text[], $8::text[], $9::int[], $10::bigint[], $11::bigint[], $12::float8[], $13::json[]) on conflict do nothing`,
        [
          ...columns(judged, [...keys, 'readyShadows', 'idleMs', 'failedAt', 'expectedFailures']),
          judged.map(({ covariates }) => (covariates === null ? null : JSON.stringify(covariates))),
        ],
      );
    },
    risks: (limit) =>
      sql.query(
        'select raw, score, needed from risk_outcomes where needed is not null order by at desc, hosted_vm_id limit $1',
        [limit],
      ),
    findings: (limit) =>
      sql.query<FindingOutcome>(
        `select hosted_vm_id as "hostedVmId", failed_at as "failedAt", expected_failures as expected, covariates
         from risk_outcomes where expected_failures is not null and covariates is not null order by at desc limit $1`,
        [limit],
      ),
    uncompared: (hostedVmIds, { from, to, stepMs, aheadMs }) =>
      sql.query(
        `select s.id as "hostedVmId", s.at, f.model, f.at as "issuedAt",
           (f.quantiles->1->>f.place)::float8 as p50, (f.quantiles->2->>f.place)::float8 as p90,
           (f.quantiles->4->>f.place)::float8 as p99
         from (select id, at from unnest($1::text[]) id, generate_series($2::bigint, $3::bigint - 1, $4::bigint) at) s
         cross join lateral (
           select model, at, quantiles, ((s.at - start) / step_ms)::int as place from forecasts
           where hosted_vm_id = s.id and at <= s.at - $5 and at > s.at - $6 and start <= s.at and step_ms = $4
           order by at desc limit 1) f
         where not exists (select from forecast_outcomes o where o.hosted_vm_id = s.id and o.at = s.at)
           and f.quantiles->1->>f.place is not null`,
        [hostedVmIds, from, to, stepMs, aheadMs, staleForecastMs],
      ),
    compare: async (outcomes) => {
      if (outcomes.length === 0) return;
      await sql.query(
        `insert into forecast_outcomes (hosted_vm_id, at, model, issued_at, actual, p50, p90, p99)
         select * from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::real[], $6::real[], $7::real[],
           $8::real[]) on conflict do nothing`,
        columns(outcomes, ['hostedVmId', 'at', 'model', 'issuedAt', 'actual', 'p50', 'p90', 'p99']),
      );
    },
    async steps(hostedVmIds, limit) {
      const rows = await sql.query<StepOutcome>(
        `select o.* from unnest($1::text[]) id cross join lateral (
           select ${stepColumns} from forecast_outcomes where hosted_vm_id = id order by at desc limit $2) o
         order by "hostedVmId", at`,
        [hostedVmIds, limit],
      );
      const byId = new Map<string, StepOutcome[]>(hostedVmIds.map((id) => [id, []]));
      for (const row of rows) byId.get(row.hostedVmId)!.push(row);
      return byId;
    },
    needs: (since) =>
      sql.query<Need>(
        `select distinct on (need_at, hosted_vm_id) hosted_vm_id as "hostedVmId", need_at as at, need as text, known,
           score, ready as "readyShadows"
         from risk_outcomes where needed and need_at >= $1 order by need_at desc, hosted_vm_id, at desc`,
        [since],
      ),
    coverage: (since) =>
      sql.query<ModelCoverage>(
        `select model, count(*) as steps, avg((actual <= p90)::int)::float8 as coverage90,
           avg((actual <= p99)::int)::float8 as coverage99
         from forecast_outcomes where at >= $1 group by model order by model`,
        [since],
      ),
    async idleMs(since) {
      const [row] = await sql.query<{ total: number }>(
        'select coalesce(sum(idle_ms), 0)::bigint as total from risk_outcomes where at >= $1',
        [since],
      );
      return row!.total;
    },
    async tidy(before) {
      await sql.query('delete from risk_outcomes where at < $1', [before]);
      await sql.query('delete from forecast_outcomes where at < $1', [before]);
    },
  };
}
