import type { DnsServerView } from '../ports/name-server.ts';
import type { Instance } from '../domain/instance.ts';
import type { Evaluation } from '../domain/plan.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { UmbraEvent } from '../domain/event.ts';
import type { HostedVmView } from '../domain/view.ts';
import type { EvaluationRequest } from '../ports/evaluator.ts';
import { cancellation } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';

export function createEvaluationActivities(deps: Pick<ActivityDeps, 'evaluator'>) {
  return {
    /** Forecast, risk and standby plan; the full forecast goes to the store. */
    evaluate: (request: EvaluationRequest): Promise<Evaluation> => deps.evaluator.evaluate(request, cancellation()),
  };
}

export function createProjectionActivities(deps: Pick<ActivityDeps, 'registry'>) {
  return {
    /** Writes what lists and timelines show. A repeat is harmless: events have ids, views an instant. */
    project: ({ view, events }: { view: HostedVmView; events: readonly UmbraEvent[] }): Promise<void> =>
      deps.registry.save(view, events),
  };
}

export type DnsComparison =
  | { readonly kind: 'agrees' }
  | { readonly kind: 'changed'; readonly detail: string }
  | { readonly kind: 'taken'; readonly detail: string }
  | { readonly kind: 'unreachable'; readonly detail: string };

export function createReconcileActivities(deps: Pick<ActivityDeps, 'nameServerOf'>) {
  return {
    /** Does DNS still say what we wrote? A server that is away is not a difference. */
    async compareDns({
      spec,
      serving,
      generation,
    }: {
      spec: HostedVmSpec;
      serving: readonly Instance[];
      generation: number;
    }): Promise<DnsComparison> {
      const nameServer = await deps.nameServerOf(spec.zone);
      const { servers } = await nameServer.observe(spec.zone, spec.names, cancellation());
      const seen = servers.filter(({ error }) => error === undefined);
      if (seen.length === 0) return { kind: 'unreachable', detail: servers[0]?.error ?? 'no server' };
      const isOurs = ({ owner, installation }: DnsServerView): boolean =>
        owner === spec.id && installation === nameServer.installation;
      const taken = seen.find((view) => !isOurs(view) || (view.generation ?? 0) > generation);
      if (taken !== undefined) {
        const by = `${taken.owner ?? 'nobody'} at generation ${taken.generation ?? 'none'}`;
        return { kind: 'taken', detail: `${taken.server} says the names belong to ${by}` };
      }
      const wanted = serving
        .map(({ address }) => address)
        .sort()
        .join(' ');
      const other = seen.find((view) => [...view.a].sort().join(' ') !== wanted);
      if (other === undefined) return { kind: 'agrees' };
      return {
        kind: 'changed',
        detail: `${other.server} answers ${other.a.join(' ') || 'nothing'} instead of ${wanted}`,
      };
    },

    /** Takes our ownership record away and leaves the answers as they are. */
    async releaseNames(spec: HostedVmSpec): Promise<void> {
      const nameServer = await deps.nameServerOf(spec.zone);
      await nameServer.release(spec.id, spec.zone, spec.names, [], cancellation());
    },
  };
}
