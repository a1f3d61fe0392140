import type { RunningApi } from '../api/options.ts';
import { openInstallation, runApi, runCollector, runMonitor, runWorker } from '../composition.ts';
import type { Parts } from '../composition/parts.ts';
import type { Config } from '../config.ts';
import type { Logger } from 'pino';
import { bundleWorkflows } from '../workers/bundle.ts';
import { demoCluster, demoFleet } from './fleet.ts';
import { writeHistory } from './history.ts';
import type { Progress } from './progress.ts';

const vantages = ['north', 'south', 'west'];

export type DevProcesses = {
  readonly parts: Parts;
  readonly api: RunningApi;
  /** Rejects when a part dies that nothing can go on without. */
  readonly died: Promise<never>;
};

/** Umbra's processes, all in this one: what `umbra collector`, `worker`, `monitor` and `api` start, on shared parts. */
export async function startProcesses(
  config: Config,
  { log, dnstap }: { readonly log: Logger; readonly dnstap: string },
  progress: Progress,
): Promise<DevProcesses> {
  const parts = await progress.step('schema and inventory', async () => {
    const opened = await openInstallation(config, 'dev', log);
    progress.started(() => opened.close());
    await writeHistory(opened.stores.sql, demoFleet, Date.now());
    return opened;
  });
  const collecting = await progress.step(`collector of edge "${config.collector.edge}"`, async () => {
    const running = await runCollector(config, { parts, say: (line) => log.info(line) });
    progress.started(() => running.close());
    return running;
  });
  const worker = await progress.step('worker', async () => {
    await bundleWorkflows();
    const running = await runWorker(config, { parts });
    progress.started(() => running.close());
    return running;
  });
  const monitors = await progress.step(`monitors ${vantages.join(', ')}`, async () => {
    const running = await Promise.all(vantages.map((vantage) => runMonitor(config, { parts, vantage })));
    progress.started(() => Promise.all(running.map((each) => each.close())));
    return running;
  });
  const { api } = await progress.step('API and dashboard', async () => {
    const senders = (): number => collecting.collector.stats().senders;
    const running = await runApi(config, {
      parts,
      more: {
        dnstap,
        components: {
          dnstap: () =>
            senders() > 0
              ? Promise.resolve(`${senders()} senders`)
              : Promise.reject(new Error('no name server sends dnstap yet')),
          proxmox: async () => {
            const { nodes } = await (await parts.providers.hypervisorOf(demoCluster)).observeCluster();
            return `${nodes.length} nodes`;
          },
        },
      },
    });
    progress.started(() => running.close());
    return running;
  });
  const ends = [worker, ...monitors].map(async ({ ended }) => {
    await ended;
    return await new Promise<never>(() => undefined);
  });
  return { parts, api, died: Promise.race(ends) };
}
