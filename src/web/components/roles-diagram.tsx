import type { Instance } from '../../domain/instance.ts';
import { secondMs } from '../../domain/time.ts';
import type { Beat, Drift, HostedVmDetail } from '../api/wire.ts';
import { formatTier, instanceWords, servingOf } from '../text/instances.ts';
import { counted, formatPercent, formatQps } from '../text/numbers.ts';
import { Age, When } from './time.tsx';

/** The names on the left, what they answer with in the middle, what stands ready behind. */
export function RolesDiagram({ view }: { readonly view: HostedVmDetail }) {
  const serving = servingOf(view);
  const others = view.instances.filter((each) => !serving.includes(each) && each.state.kind !== 'deleted');
  return (
    <section aria-labelledby="roles">
      <h2 id="roles">Who serves, who stands ready</h2>
      <div class="roles">
        <ul class="names" aria-label="Names">
          {view.names.map((name) => (
            <li key={name}>{name}</li>
          ))}
          <li class="quiet">
            {view.generation === null ? 'not adopted in DNS yet' : `DNS generation ${view.generation}`}
          </li>
        </ul>
        <span class="arrow" aria-hidden="true" />
        <ul class="instances" aria-label="Serving now">
          {serving.map((each) => (
            <InstanceBox
              key={each.id}
              instance={each}
              serving
              beat={view.heartbeats?.[each.id]}
              drift={view.drift?.[each.id]}
            />
          ))}
          {serving.length === 0 ? <li class="quiet">nobody is known to serve</li> : null}
        </ul>
        <span class="arrow behind" aria-hidden="true" />
        <ul class="instances" aria-label="Standing ready, or on their way out">
          {others.map((each) => (
            <InstanceBox
              key={each.id}
              instance={each}
              serving={false}
              beat={view.heartbeats?.[each.id]}
              drift={view.drift?.[each.id]}
            />
          ))}
          {others.length === 0 ? <li class="quiet">no shadow</li> : null}
        </ul>
      </div>
    </section>
  );
}

function driftSummary(drift: readonly Drift[]): string {
  const unasked = drift.filter(({ kind }) => kind === 'drift').length;
  return unasked === 0 ? 'has the size of its tier' : `differs from its primary in ${counted(unasked, 'setting')}`;
}

/** Guests beat every few seconds. */
const beatEveryMs = 10 * secondMs;

function InstanceBox(props: {
  readonly instance: Instance;
  readonly serving: boolean;
  readonly beat: Beat | undefined;
  readonly drift: readonly Drift[] | undefined;
}) {
  const { instance, serving, beat, drift } = props;
  const { state } = instance;
  const where = [
    instance.address ?? 'no address yet',
    instance.node === undefined ? 'no node yet' : `on ${instance.node}`,
    instance.vmid === undefined ? undefined : `VMID ${instance.vmid}`,
  ];
  return (
    <li
      class={`instance role-${instance.role} ${serving ? 'is-serving' : ''} is-${!serving && state.kind === 'serving' ? 'warm' : state.kind}`}
    >
      <strong>{instance.id}</strong> <span>{instance.role}</span>
      <div>
        {formatTier(instance.tier)}, {formatQps(instance.capacityQps)}, {serving ? 'serving' : instanceWords(instance)}{' '}
        since <When at={state.since} />
      </div>
      <div class="quiet">{where.filter((each) => each !== undefined).join(', ')}</div>
      {beat === undefined ? null : (
        <div class="quiet">
          heartbeat{beat.load?.cpu === undefined ? '' : `, CPU ${formatPercent(beat.load.cpu)}`}{' '}
          <Age at={beat.at} everyMs={beatEveryMs} />
        </div>
      )}
      {drift === undefined || drift.length === 0 ? null : (
        <details class="facts">
          <summary>{driftSummary(drift)}</summary>
          <dl>
            {drift.map(({ key, primary, shadow, kind, changed }) => (
              <div key={key}>
                <dt>{key}</dt>
                <dd>
                  {primary} there, {shadow} here
                  {kind === 'tier' ? ', by its tier' : ''}
                  {changed === undefined ? '' : `: the ${changed} was changed`}
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      {state.kind === 'failed' ? <div class="why">{state.why.text}</div> : null}
      {state.kind === 'fenced' ? <div class="quiet">proof: {state.proof}</div> : null}
      {state.kind === 'retired' ? (
        <div class="quiet">
          disk deleted <When at={state.deleteAt} />
        </div>
      ) : null}
    </li>
  );
}
