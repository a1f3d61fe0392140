import { startLoop } from '../background/loop.ts';
import type { Loop } from '../background/loop.ts';
import { bucketMs } from '../domain/demand.ts';
import type { DemandNews } from '../domain/hosted-vm/messages.ts';
import { minuteMs, secondMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { demandNews } from '../planning/demand-news.ts';
import type { ToldDemand } from '../planning/demand-news.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { Registry } from '../ports/registry.ts';

/** The newest bucket is complete about this long after it ended: watermark, batch, commit. */
const settleMs = 5 * secondMs;
const everyMs = 10 * secondMs;

/**
 * Reads the store's sums every 10 s and tells a hosted VM's workflow when its demand has changed enough.
 * One runs per worker; two that overlap tell twice, which the workflow takes as one.
 */
export function watchDemand(deps: {
  readonly demand: Pick<DemandStore, 'readMany'>;
  readonly registry: Pick<Registry, 'views'>;
  readonly tell: (hostedVmId: string, news: DemandNews) => Promise<void>;
  readonly now: () => EpochMs;
  readonly log: (line: string) => void;
}): Pick<Loop, 'stop'> {
  const told = new Map<string, ToldDemand>();

  const look = async (): Promise<void> => {
    const now = deps.now();
    const views = (await deps.registry.views()).filter(({ phase }) => phase.kind !== 'retired');
    if (views.length === 0) return;
    const to = Math.floor((now - settleMs) / bucketMs) * bucketMs;
    const hostedVmIds = views.map(({ id }) => id);
    const series = await deps.demand.readMany({ hostedVmIds, from: to - minuteMs, to, stepMs: bucketMs });
    for (const view of views) {
      const known = (series.get(view.id)?.qps ?? []).filter(Number.isFinite);
      const qps = known.length === 0 ? Number.NaN : known.reduce((sum, each) => sum + each, 0) / known.length;
      const found = demandNews(view, qps, told.get(view.id), now);
      if (found === undefined) continue;
      await deps.tell(view.id, found.news);
      told.set(view.id, found.told);
    }
  };

  return startLoop({
    everyMs,
    firstAfterMs: everyMs,
    round: look,
    failed: (error) =>
      deps.log(`demand watcher: ${error instanceof Error ? error.message : String(error)}; looking again in 10 s`),
  });
}
