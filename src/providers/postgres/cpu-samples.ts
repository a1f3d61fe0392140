import { minuteMs } from '../../domain/time.ts';
import type { CpuSampleStore } from '../../ports/cpu-samples.ts';
import type { Sql } from '../../ports/sql.ts';

export function createCpuSampleStore(sql: Sql): CpuSampleStore {
  return {
    async add(samples) {
      if (samples.length === 0) return;
      await sql.query(
        `insert into cpu_samples (hosted_vm_id, at, cpu) select * from unnest($1::text[], $2::bigint[], $3::real[])
         on conflict do nothing`,
        [
          samples.map(({ hostedVmId }) => hostedVmId),
          samples.map(({ at }) => at - (at % minuteMs)),
          samples.map(({ cpu }) => cpu),
        ],
      );
    },
    means: (hostedVmId, from, stepMs) =>
      sql.query(
        `select at - at % $3 as at, avg(cpu)::float8 as cpu from cpu_samples where hosted_vm_id = $1 and at >= $2
         group by 1 order by 1`,
        [hostedVmId, from, stepMs],
      ),
    async tidy(before) {
      await sql.query('delete from cpu_samples where at < $1', [before]);
    },
  };
}
