import type { PromotionLook } from '../domain/hosted-vm/probation.ts';
import type { Instance } from '../domain/instance.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { EpochMs } from '../domain/time.ts';
import { secondMs } from '../domain/time.ts';
import type { DnsServerView } from '../ports/name-server.ts';
import { cancellation } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { lookAt } from './looking.ts';

/** A heartbeat older than this says nothing about load now. */
const freshMs = 90 * secondMs;

export type PromotionQuestion = {
  readonly spec: HostedVmSpec;
  readonly serving: readonly Instance[];
  readonly former: Instance | null;
  readonly generation: number;
  readonly now: EpochMs;
};

export function createProbationActivities(deps: Pick<ActivityDeps, 'probe' | 'nameServerOf' | 'heartbeats'>) {
  return {
    /** Looks once more at everything before what cannot be undone. Reads only. */
    async lookBeforePromotion({ spec, serving, former, generation, now }: PromotionQuestion): Promise<PromotionLook> {
      const nameServer = await deps.nameServerOf(spec.zone);
      const [looks, { servers }] = await Promise.all([
        Promise.all(serving.map((instance) => lookAt(deps.probe, spec, instance, 2 * secondMs, cancellation()))),
        nameServer.observe(spec.zone, spec.names, cancellation()),
      ]);
      const wanted = serving
        .map(({ address }) => address)
        .sort()
        .join(' ');
      const off = servers.find((view) => differs(view, generation, wanted));
      const beat = former === null ? undefined : (await deps.heartbeats?.newest([former.id]))?.get(former.id);
      return {
        serving: looks.map(({ instance, answers, detail }) => ({ instance, answers, detail })),
        dnsAgrees: off === undefined,
        dnsDetail: off === undefined ? 'all servers agree' : describe(off),
        formerQps: beat !== undefined && now - beat.at < freshMs ? (beat.load?.qps ?? null) : null,
      };
    },
  };
}

function differs(view: DnsServerView, generation: number, wanted: string): boolean {
  return view.error !== undefined || view.generation !== generation || [...view.a].sort().join(' ') !== wanted;
}

function describe({ server, error, generation, a }: DnsServerView): string {
  return error === undefined
    ? `${server} answers ${a.join(' ') || 'nothing'} at generation ${generation ?? 'none'}`
    : `${server}: ${error}`;
}
