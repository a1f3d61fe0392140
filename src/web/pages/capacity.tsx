import type { Instance } from '../../domain/instance.ts';
import { secondMs } from '../../domain/time.ts';
import type { HostedVmView } from '../../domain/view.ts';
import { fleet, fleetTrouble } from '../api/fleet.ts';
import { useResource } from '../api/resource.ts';
import type { CapacityAnswer } from '../api/wire.ts';
import { Headroom } from '../components/headroom.tsx';
import { Loading, Trouble } from '../components/notes.tsx';
import { StateMark } from '../components/state-mark.tsx';
import { changeView, route } from '../navigation.ts';
import { hostedVmPath } from '../route.ts';
import { byWorst } from '../text/fleet.ts';
import { formatTier, instanceWords } from '../text/instances.ts';
import { formatQps } from '../text/numbers.ts';
import { capacitySentence, lossOf, nodesOf } from '../text/what-if.ts';

const mostRows = 100;

/** If a node dies now, who fits? */
export function CapacityPage() {
  const ledgers = useResource<CapacityAnswer>('/capacity', {
    everyMs: 30 * secondMs,
    concerns: (change) => change.type === 'hosted-vm',
  });
  const views = fleet.value === undefined ? undefined : [...fleet.value.values()];
  const away = new Set(
    (ledgers.answer?.clusters ?? []).flatMap(({ nodes }) =>
      nodes.filter(({ usable }) => !usable).map(({ node }) => node),
    ),
  );
  return (
    <>
      <h1 tabIndex={-1}>{views === undefined ? 'Capacity' : capacitySentence(views, away)}</h1>
      <Trouble text={fleetTrouble.value} stale={views !== undefined} />
      {views === undefined ? <Loading what="the fleet" /> : <WhatIf views={views} away={away} />}
      <Headroom answer={ledgers.answer} trouble={ledgers.trouble} />
      {views === undefined ? null : <Placement views={views} />}
    </>
  );
}

function WhatIf({ views, away }: { readonly views: readonly HostedVmView[]; readonly away: ReadonlySet<string> }) {
  const nodes = nodesOf(views);
  const chosen = route.value.query.get('node') ?? '';
  const losses = chosen === '' ? [] : lossOf(chosen, views, away);
  return (
    <section aria-labelledby="what-if">
      <h2 id="what-if">What if a node dies?</h2>
      <div class="buttons" role="group" aria-label="Node">
        {nodes.map((node) => {
          const all = lossOf(node, views, away);
          const unfit = all.filter((loss) => !loss.fits).length;
          return (
            <button
              type="button"
              key={node}
              aria-pressed={node === chosen}
              class={unfit > 0 && !away.has(node) ? 'node has-unfit' : 'node'}
              onClick={() => changeView({ node: node === chosen ? '' : node })}
            >
              {node}
              <span class="quiet">{away.has(node) ? 'away already' : fitWords(unfit, all.length)}</span>
            </button>
          );
        })}
      </div>
      <div aria-live="polite">
        {chosen === '' ? <p class="quiet">Choose a node to see who would carry what it serves.</p> : null}
        {chosen !== '' && losses.length === 0 ? <p>Nothing is served from {chosen} now.</p> : null}
        {losses.length === 0 ? null : (
          <div class="scroll" tabIndex={0} role="region" aria-label={`If ${chosen} dies`}>
            <table>
              <caption>If {chosen} dies now</caption>
              <thead>
                <tr>
                  <th scope="col">Hosted VM</th>
                  <th scope="col">Fits</th>
                  <th scope="col">Carried by</th>
                  <th scope="col" class="number">
                    Carries
                  </th>
                  <th scope="col" class="number">
                    Predicted p90
                  </th>
                </tr>
              </thead>
              <tbody>
                {losses.map((loss) => (
                  <tr key={loss.id}>
                    <th scope="row">
                      <a href={hostedVmPath(loss.id)}>{loss.id}</a>
                    </th>
                    <td>
                      <strong class={loss.fits ? 'ok' : 'bad'}>
                        {loss.fits ? 'fits' : loss.carriers.length === 0 ? 'no shadow elsewhere' : 'too small'}
                      </strong>
                    </td>
                    <td>
                      {loss.carriers
                        .map(({ id, node, tier }) => `${id} (${formatTier(tier)}, ${node ?? 'no node'})`)
                        .join(', ') || 'nobody'}
                    </td>
                    <td class="number">{formatQps(loss.carriesQps)}</td>
                    <td class="number">{formatQps(loss.needsQps)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
    </section>
  );
}

function fitWords(unfit: number, all: number): string {
  if (all === 0) return 'serves nothing';
  if (unfit === 0) return all === 1 ? 'its one fits' : `all ${all} fit`;
  return `${unfit} of ${all} ${unfit === 1 ? 'does' : 'do'} not fit`;
}

function Placement({ views }: { readonly views: readonly HostedVmView[] }) {
  const nodes = nodesOf(views);
  const rows = [...views].sort(byWorst).slice(0, mostRows);
  return (
    <section aria-labelledby="placement">
      <h2 id="placement">Who stands where</h2>
      {views.length > mostRows ? (
        <p class="quiet">
          The first {mostRows} of {views.length}, worst first.
        </p>
      ) : null}
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="placement">
        <table class="placement">
          <thead>
            <tr>
              <th scope="col">Hosted VM</th>
              <th scope="col">State</th>
              {nodes.map((node) => (
                <th scope="col" key={node}>
                  {node}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((view) => (
              <tr key={view.id}>
                <th scope="row">
                  <a href={hostedVmPath(view.id)}>{view.id}</a>
                </th>
                <td>
                  <StateMark view={view} />
                </td>
                {nodes.map((node) => (
                  <td key={node}>
                    {view.instances
                      .filter((instance) => instance.node === node && instance.state.kind !== 'deleted')
                      .map((instance) => (
                        <Placed key={instance.id} instance={instance} serving={view.serving.includes(instance.id)} />
                      ))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Placed({ instance, serving }: { readonly instance: Instance; readonly serving: boolean }) {
  return (
    <div class={serving ? 'placed is-serving' : 'placed'}>
      {instance.role} {formatTier(instance.tier)}{' '}
      <span class="quiet">{serving ? 'serving' : instanceWords(instance)}</span>
    </div>
  );
}
