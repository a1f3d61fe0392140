import { bucketMs } from '../domain/demand.ts';
import { dayMs, hourMs, minuteMs, secondMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Sql } from '../ports/sql.ts';
import { defaultRetention, ensurePartitions, partitionedTables } from '../providers/postgres/partitions.ts';
import type { DemoVm } from './fleet.ts';
import { demandAt } from './load.ts';

/** Three weeks: enough for weekly patterns. */
const historyMs = 21 * dayMs;
/** Step, and how far back it is written: a day of minutes is what pages show. */
const widths = [
  [minuteMs, dayMs],
  [5 * minuteMs, historyMs],
  [hourMs, historyMs],
] as const;
const rowsPerInsert = 5_000;

/**
 * Writes three weeks of demand as if Umbra had been watching, in the shapes the load generator goes on with,
 * so that forecasts have something to learn from in the first minute.
 */
export async function writeHistory(sql: Sql, fleet: readonly DemoVm[], now: EpochMs): Promise<void> {
  const tables = partitionedTables(defaultRetention).filter(
    ({ table }) => table.startsWith('demand_') && table !== 'demand_10s' && table !== 'demand_seen',
  );
  const days = Array.from({ length: historyMs / dayMs + 1 }, (_, day) => now - day * dayMs);
  await ensurePartitions(sql, tables, days);
  for (const [stepMs, backMs] of widths) {
    const end = Math.floor(now / stepMs) * stepMs;
    const starts = Array.from({ length: backMs / stepMs }, (_, i) => end - backMs + i * stepMs);
    await sql.query(
      `insert into demand_step_seen (step_ms, at, live_buckets)
       select $1, at, $2 from unnest($3::bigint[]) at on conflict do nothing`,
      [stepMs, stepMs / bucketMs, starts],
    );
    for (const [index, vm] of fleet.entries()) {
      const noise = noiseOf(vm.vmid);
      const totals = starts.map((at) => {
        const mean = (demandAt(loadedAs(vm), index, at - now, loadShape()) * stepMs) / secondMs;
        return Math.max(0, Math.round(mean * (1 + 0.06 * noise()) + Math.sqrt(mean) * noise()));
      });
      for (let from = 0; from < starts.length; from += rowsPerInsert) {
        await insertSteps(
          sql,
          stepMs,
          vm.id,
          starts.slice(from, from + rowsPerInsert),
          totals.slice(from, from + rowsPerInsert),
        );
      }
    }
  }
}

/** The load generator and the history must mean the same curve. */
export function loadedAs(vm: DemoVm): { id: string; name: string; capacityQps: number; shape: DemoVm['shape'] } {
  return { id: vm.id, name: vm.names[0]!, capacityQps: vm.capacityQps * vm.peakShare, shape: vm.shape };
}

/** Real days, not compressed ones: what is watched is what is forecast. `peakShare` is in `loadedAs` already. */
export function loadShape(): { dayMs: number; peakShare: number } {
  return { dayMs, peakShare: 1 };
}

async function insertSteps(sql: Sql, stepMs: number, id: string, at: number[], totals: number[]): Promise<void> {
  await sql.query(
    `insert into demand_steps (step_ms, hosted_vm_id, at, answers, answers_corrected, deduplicated_corrected,
       established_corrected, estimated, sources, top_share, tcp, response_bytes, noerror, nxdomain, servfail, refused,
       other_rcode, type_a, type_aaaa, type_https, other_type)
     select $1, $2, at, total, total, total, total, total, least(total, 4096), 0.01, 0, total * 90, total, 0, 0, 0, 0,
       total, 0, 0, 0 from unnest($3::bigint[], $4::bigint[]) as series(at, total) on conflict do nothing`,
    [stepMs, id, at, totals],
  );
}

/** Seeded noise of about a standard deviation of one (sum of uniforms): the same history at every start. */
function noiseOf(seed: number): () => number {
  let state = seed * 2_654_435_761;
  const uniform = (): number => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return () => uniform() + uniform() + uniform() + uniform() - 2;
}
