import type { Instance } from '../../domain/instance.ts';
import type { HostedVmView } from '../../domain/view.ts';
import type { Registry } from '../../ports/registry.ts';
import { insertEvents, selectEvents } from './events.ts';
import type { NotifyingSql } from './pool.ts';

/** Carries the id of the hosted VM that changed; empty after a lost connection: look at all. */
const channel = 'umbra_hosted_vm';

export function createRegistry(sql: NotifyingSql): Registry {
  const views = async (): Promise<HostedVmView[]> =>
    (await sql.query<{ view: HostedVmView }>('select view from hosted_vm_views order by id')).map(({ view }) => view);
  return {
    save: (view, events) =>
      sql.transaction(async (transaction) => {
        // A repeat of an activity may arrive after a newer one: the newest view stays.
        await transaction.query(
          `insert into hosted_vm_views (id, at, view) values ($1, $2, $3)
           on conflict (id) do update set at = excluded.at, view = excluded.view where excluded.at >= hosted_vm_views.at`,
          [view.id, view.at, JSON.stringify(view)],
        );
        await insertEvents(transaction, events);
        await transaction.query('select pg_notify($1, $2)', [channel, view.id]);
      }),
    views,
    view: async (id) =>
      (await sql.query<{ view: HostedVmView }>('select view from hosted_vm_views where id = $1', [id]))[0]?.view,
    events: (query) => selectEvents(sql, query),
    watched: async () =>
      (await views())
        .filter((view) => view.phase.kind !== 'retired')
        .flatMap((view) =>
          view.instances
            .filter((instance) => isWatched(instance, view.serving.includes(instance.id)))
            .map((instance) => ({ hostedVmId: view.id, instance, serving: view.serving.includes(instance.id) })),
        ),
    onChange: (listener) => sql.listen(channel, listener),
  };
}

/** Whoever should answer now: the serving, the hot, and the failed that may come back. */
function isWatched(instance: Instance, serving: boolean): boolean {
  if (instance.address === undefined || instance.role === 'retired') return false;
  if (serving) return true;
  const { state } = instance;
  return state.kind === 'serving' || state.kind === 'failed' || (state.kind === 'warm' && state.warmth === 'hot');
}
