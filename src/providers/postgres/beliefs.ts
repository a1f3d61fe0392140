import type { Belief, BeliefStore, Calibration, Drift, HealthWeights, Learned } from '../../ports/belief-store.ts';
import type { Sql } from '../../ports/sql.ts';

type Row = {
  id: string;
  kind: Drift['kind'] | null;
  since: number;
  coverage90: number | null;
  coverage99: number | null;
  steps: number;
  reason: Drift['reason'] | null;
  learned: Learned | null;
};

const select = `select coalesce(d.hosted_vm_id, l.hosted_vm_id) as id, d.kind, d.since, d.coverage90, d.coverage99,
    d.steps, d.reason, l.learned
  from forecast_drift d full join learned_capacities l on l.hosted_vm_id = d.hosted_vm_id`;

export function createBeliefStore(sql: Sql): BeliefStore {
  return {
    async belief(hostedVmId) {
      const [row] = await sql.query<Row>(`${select} where coalesce(d.hosted_vm_id, l.hosted_vm_id) = $1`, [hostedVmId]);
      return row === undefined ? {} : beliefOf(row);
    },
    async beliefs() {
      return new Map((await sql.query<Row>(select)).map((row) => [row.id, beliefOf(row)]));
    },
    async setDrift(hostedVmId, { kind, since, coverage90, coverage99, steps, reason }) {
      await sql.query(
        `insert into forecast_drift (hosted_vm_id, kind, since, coverage90, coverage99, steps, reason)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (hosted_vm_id) do update set kind = excluded.kind, since = excluded.since,
           coverage90 = excluded.coverage90, coverage99 = excluded.coverage99, steps = excluded.steps,
           reason = excluded.reason`,
        [hostedVmId, kind, since, coverage90, coverage99, steps, reason === undefined ? null : JSON.stringify(reason)],
      );
    },
    async setLearned(hostedVmId, at, learned) {
      await sql.query(
        `insert into learned_capacities (hosted_vm_id, at, learned) values ($1, $2, $3)
         on conflict (hosted_vm_id) do update set at = excluded.at, learned = excluded.learned`,
        [hostedVmId, at, JSON.stringify(learned)],
      );
    },
    async calibration() {
      return (await sql.query<{ calibration: Calibration }>('select calibration from risk_calibrations'))[0]
        ?.calibration;
    },
    async setCalibration(at, calibration) {
      await sql.query(
        `insert into risk_calibrations (at, calibration) values ($1, $2)
         on conflict (single) do update set at = excluded.at, calibration = excluded.calibration`,
        [at, JSON.stringify(calibration)],
      );
    },
    async healthWeights() {
      return (await sql.query<{ learned: HealthWeights }>('select learned from health_weights'))[0]?.learned;
    },
    async setHealthWeights(at, weights) {
      await sql.query(
        `insert into health_weights (at, learned) values ($1, $2)
         on conflict (single) do update set at = excluded.at, learned = excluded.learned`,
        [at, JSON.stringify(weights)],
      );
    },
  };
}

function beliefOf({ kind, since, coverage90, coverage99, steps, reason, learned }: Row): Belief {
  return {
    ...(kind === null
      ? {}
      : { drift: { kind, since, coverage90, coverage99, steps, ...(reason === null ? {} : { reason }) } as Drift }),
    ...(learned === null ? {} : { learned }),
  };
}
