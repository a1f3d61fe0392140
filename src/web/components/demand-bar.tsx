import type { HostedVmView } from '../../domain/view.ts';
import { capacityOf } from '../../domain/traffic.ts';
import { demandEveryMs, demandNow } from '../api/demand-now.ts';
import { formatCount, formatQps } from '../text/numbers.ts';
import { servingOf } from '../text/instances.ts';
import { Age } from './time.tsx';

/** Demand against the capacity that serves now, with the predicted p90 as a tick. The full width is the larger of both. */
export function DemandBar({ view }: { readonly view: HostedVmView }) {
  const { evaluation } = view;
  const newest = demandNow.value[view.id];
  if (evaluation === null && newest === undefined) return <span class="quiet">not evaluated yet</span>;
  const capacity = capacityOf(servingOf(view)) || view.capacityQps;
  const demand = newest?.qps ?? evaluation?.demandQps ?? null;
  const p90 = evaluation?.peak?.p90 ?? null;
  const full = Math.max(capacity, demand ?? 0, p90 ?? 0) * 1.02;
  const x = (qps: number): number => (qps / full) * 100;
  const over = demand !== null && demand > capacity;
  const words = `${formatQps(demand)} of ${formatQps(capacity)}${p90 === null ? '' : `, predicted p90 ${formatQps(p90)}`}`;
  return (
    <div class="demand">
      <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={words}>
        <rect class="bar-room" x="0" y="2" width={x(capacity)} height="6" />
        {demand === null ? null : (
          <rect class={over ? 'bar-over' : 'bar-demand'} x="0" y="2" width={x(demand)} height="6" />
        )}
        <rect class="bar-capacity" x={x(capacity) - 0.4} y="0" width="0.8" height="10" />
        {p90 === null ? null : <rect class="bar-tick" x={x(p90) - 0.5} y="0" width="1" height="10" />}
      </svg>
      <span class="figures">
        {demand === null ? 'no data' : formatCount(demand)} / {formatQps(capacity)}
        {p90 === null ? '' : `, p90 ${formatCount(p90)}`}{' '}
        {newest !== undefined ? (
          <Age at={newest.at} everyMs={demandEveryMs} />
        ) : evaluation === null ? null : (
          <Age at={evaluation.at} everyMs={evaluation.nextInMs} />
        )}
      </span>
    </div>
  );
}
